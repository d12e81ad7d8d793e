package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// mega is 10^6, as in MB.
const mega = 1_000_000

// limit is how large an image may be, compressed: what a node fetches before a pod starts there.
const limit = 25 * mega

// report is what was made; its JSON is for scripts.
type report struct {
	Version  string    `json:"version"`
	Revision string    `json:"revision"`
	Created  time.Time `json:"created"`
	Go       string    `json:"go"`
	Images   []image   `json:"images"`
}

// image is a service for all platforms. Digest is what to deploy.
type image struct {
	Service   string    `json:"service"`
	Digest    string    `json:"digest"`
	Layout    string    `json:"layout"`
	Reference string    `json:"reference"`
	Platforms []variant `json:"platforms"`
}

// variant is a service for one platform; sizes are in bytes.
type variant struct {
	Platform   string `json:"platform"`
	Digest     string `json:"digest"`
	Compressed int64  `json:"compressed_bytes"`
	Unpacked   int64  `json:"unpacked_bytes"`
	SBOM       string `json:"sbom"`
}

// print shows the images to a person: for each the digest of all platforms, then those of each.
func (r report) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "SERVICE\tPLATFORM\tCOMPRESSED\tUNPACKED\tDIGEST\n")
	for _, img := range r.Images {
		fmt.Fprintf(table, "%s\tall\t\t\t%s\n", img.Service, img.Digest)
		for _, v := range img.Platforms {
			fmt.Fprintf(table, "\t%s\t%s\t%s\t%s\n", v.Platform, megabytes(v.Compressed), megabytes(v.Unpacked), v.Digest)
		}
	}
	fmt.Fprintf(table, "\nversion %s of %s, with %s\n", r.Version, r.Created.Format(time.RFC3339), r.Go)
	return table.Flush()
}

// tooLarge names the images that are larger than they may be.
func (r report) tooLarge() (err error) {
	for _, img := range r.Images {
		for _, v := range img.Platforms {
			if v.Compressed > limit {
				err = errors.Join(err, fmt.Errorf("image of %s for %s: %s compressed, more than %s",
					img.Service, v.Platform, megabytes(v.Compressed), megabytes(limit)))
			}
		}
	}
	return err
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/mega) }
