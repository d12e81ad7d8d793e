// Command kube-apiserver is the API server of Kubernetes, unchanged: a module of its own pins its version, for
// `make k8s-verify`.
package main

import (
	"os"
	_ "time/tzdata" // for the time zones of CronJobs

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	os.Exit(cli.Run(app.NewAPIServerCommand())) //nolint:forbidigo // this is main
}
