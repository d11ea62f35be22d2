// Command svcspy records the watch streams of a Kubernetes cluster into one
// file and explains, live or from the file, why a Service gets no traffic.
package main

import "os"

func main() { os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
