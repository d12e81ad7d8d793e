// Command mortal reaches the seam that its argument names, and says so when it lived on.
package main

import (
	"fmt"
	"os"

	"github.com/erpstream/erpstream/pkg/seam"
)

func main() {
	seam.Reach(seam.Name(os.Args[1]))
	fmt.Println("alive")
}
