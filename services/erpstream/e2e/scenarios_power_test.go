package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// powerCut takes the power from all NATS servers at once: what they did not sync is gone. Their disk is
// a file system in an image; a copy of the image has what was written through to it and nothing that
// the kernel still kept in memory.
func powerCut() scenario {
	return scenario{
		name: "power cut", forgetful: true, disk: mountDisk, strikes: 5, args: []string{"--edits", "320"},
		least: time.Second, most: 3 * time.Second,
		strike: func(o *ordeal) {
			for _, n := range o.cluster.Nodes {
				n.Pause() // nothing is acknowledged any more
			}
			o.power.copied(o.t)
			o.cluster.Kill()
			o.kills += len(o.cluster.Nodes)
			o.hit(all)
			o.power.swap(o.t)
			o.cluster.Start()
			o.cluster.WaitQuorum()
		},
	}
}

// disk is a file system in an image, mounted at dir.
type disk struct {
	image, dir string
}

// diskSize is in bytes.
const diskSize = 512 << 20

// mountDisk makes a disk that is gone with the test. It takes root.
func mountDisk(t *testing.T) *disk {
	t.Helper()
	folder := t.TempDir()
	d := &disk{image: filepath.Join(folder, "disk"), dir: filepath.Join(folder, "mounted")}
	file, err := os.Create(d.image)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(diskSize); err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	do(t, "mkfs.ext4", "-q", "-F", d.image)
	d.mount(t)
	t.Cleanup(func() { do(t, "umount", d.dir) })
	return d
}

// mount lets the kernel keep what is not synced for as long as it likes.
func (d *disk) mount(t *testing.T) {
	t.Helper()
	do(t, "mount", "-o", "loop,noatime,commit=300", d.image, d.dir)
}

// copied takes what the disk has now.
func (d *disk) copied(t *testing.T) {
	t.Helper()
	do(t, "cp", "--sparse=always", d.image, d.image+".cut")
}

// swap puts the copy in the place of the disk.
func (d *disk) swap(t *testing.T) {
	t.Helper()
	do(t, "umount", d.dir)
	if err := os.Rename(d.image+".cut", d.image); err != nil {
		t.Fatal(err)
	}
	d.mount(t)
}

func do(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
