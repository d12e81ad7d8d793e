//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// contained is a container as it is to run; the second life of this program reads it, see contain.
type contained struct {
	// Root is where layers, the upper ones first, become one file system, which can't be written to.
	Root                string
	Layers              []string
	Args, Env           []string
	User, Group, Shared int
}

// contain becomes the container: its own root, its user, no capability and no way to one. It returns only if
// that can't be done.
func contain(text string) error {
	var c contained
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	runtime.LockOSThread() // what follows is the thread's, and then the program's
	if err := c.enter(); err != nil {
		return fmt.Errorf("root %s: %w", c.Root, err)
	}
	if err := c.drop(); err != nil {
		return fmt.Errorf("become user %d: %w", c.User, err)
	}
	return fmt.Errorf("run %s: %w", c.Args[0], unix.Exec(c.Args[0], c.Args, c.Env))
}

// enter mounts the root and leaves the machine's behind.
func (c contained) enter() error {
	if err := unix.Mount("overlay", c.Root, "overlay", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "lowerdir="+strings.Join(c.Layers, ":")); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := unix.Mount("proc", filepath.Join(c.Root, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	if err := unix.Chdir(c.Root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil { // the old root lies over the new one until it is detached
		return fmt.Errorf("pivot_root: %w", err)
	}
	return unix.Unmount(".", unix.MNT_DETACH)
}

// drop gives up all that root may. Capabilities that are held end with the change of the user.
func (c contained) drop() error {
	for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) { // the kernel may know fewer
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := syscall.Setgroups([]int{c.Shared}); err != nil {
		return err
	}
	if err := syscall.Setgid(c.Group); err != nil {
		return err
	}
	return syscall.Setuid(c.User)
}

// image is an unpacked image.
type image struct {
	root            string
	Entrypoint, Env []string
}

// unpack writes the layers of a service's image for this platform to a folder.
func unpack(ctx context.Context, layout, root string) (image, error) {
	img := image{root: root}
	digest, err := manifestOf(layout, "index.json")
	if err != nil {
		return img, fmt.Errorf("image %s: %w", layout, err)
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	var config struct{ Config *image }
	config.Config = &img
	if err := errors.Join(readJSON(digest, &manifest), readJSON(manifest.Config.path(layout), &config), os.MkdirAll(root, 0o755)); err != nil {
		return img, fmt.Errorf("image %s: %w", layout, err)
	}
	for _, layer := range manifest.Layers {
		if out, err := exec.CommandContext(ctx, "tar", "-xf", layer.path(layout), "-C", root).CombinedOutput(); err != nil {
			return img, fmt.Errorf("image %s: unpack: %w: %s", layout, err, out)
		}
	}
	return img, nil
}

type descriptor struct {
	MediaType, Digest string
	Platform          *struct{ OS, Architecture string }
}

func (d descriptor) path(layout string) string {
	return filepath.Join(layout, "blobs", strings.Replace(d.Digest, ":", "/", 1))
}

// manifestOf finds the manifest for this platform, through indexes of indexes.
func manifestOf(layout, index string) (path string, err error) {
	var list struct{ Manifests []descriptor }
	if err := readJSON(filepath.Join(layout, index), &list); err != nil {
		return "", err
	}
	for _, d := range list.Manifests {
		if strings.Contains(d.MediaType, "index") {
			relative, err := filepath.Rel(layout, d.path(layout))
			if err != nil {
				return "", err
			}
			return manifestOf(layout, relative)
		}
		if d.Platform != nil && d.Platform.OS == "linux" && d.Platform.Architecture == runtime.GOARCH {
			return d.path(layout), nil
		}
	}
	return "", fmt.Errorf("nothing for linux/%s", runtime.GOARCH)
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// start runs a container of a pod: the image, over it what is mounted, and names of the network.
func (h *house) start(p *pod, c container) error {
	img := h.images[c.service()]
	env, err := c.environment(p.name)
	if err != nil {
		return err
	}
	files, err := p.spec.files(c, h.stored)
	if err != nil {
		return fmt.Errorf("pod %s: %w", p.name, err)
	}
	files["/etc/hosts"] = h.hosts()
	files["/etc/ssl/certs/house.crt"] = h.authority.pem
	mounted := filepath.Join(h.dir, "pods", p.name, c.Name)
	user := p.spec.SecurityContext
	if err := errors.Join(writeAll(filepath.Join(mounted, "files"), files, user.FSGroup), os.MkdirAll(filepath.Join(mounted, "files", "proc"), 0o755),
		os.MkdirAll(filepath.Join(mounted, "root"), 0o755)); err != nil {
		return err
	}
	text, err := json.Marshal(contained{
		Root: filepath.Join(mounted, "root"), Layers: []string{filepath.Join(mounted, "files"), img.root},
		Args: append(append([]string{}, img.Entrypoint...), c.Args...), Env: append(append([]string{}, img.Env...), env...),
		User: user.RunAsUser, Group: user.RunAsGroup, Shared: user.FSGroup,
	})
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p.process, err = h.run(p, self, containMode, string(text))
	return err
}

// writeAll writes files below a folder, as the kubelet mounts them: for root and the group of the pod.
func writeAll(folder string, files map[string]string, group int) error {
	for name, text := range files {
		path := filepath.Join(folder, name)
		mode := os.FileMode(0o440)
		if strings.HasPrefix(name, "/etc/hosts") || strings.HasPrefix(name, "/etc/ssl") {
			mode = 0o444
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.RemoveAll(path), os.WriteFile(path, []byte(text), mode), os.Chown(path, 0, group)); err != nil {
			return err
		}
	}
	return nil
}
