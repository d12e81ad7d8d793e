// Command etcd is the store that kube-apiserver needs, unchanged: a module of its own pins its version, for
// `make k8s-verify`.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
