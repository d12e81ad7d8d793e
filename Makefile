# Go, git and make are all that a machine needs; `make test` installs what the tests need beyond.
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

MODULES  := proto pkg pkg/test $(patsubst %/go.mod,%,$(wildcard services/*/go.mod))
TOOLS    := $(patsubst tools/%/go.mod,%,$(wildcard tools/*/go.mod))
SERVERS  := $(patsubst %/go.mod,%,$(wildcard tools/k8s/*/go.mod)) # of k8s-verify alone: they take long to build
SERVICES := $(patsubst %/main.go,./%,$(wildcard services/*/main.go))

# Releases are tagged v1.2.3; the tags of modules (pkg/v1.2.3) are not theirs.
VERSION = $(shell git describe --tags --match 'v[0-9]*' --always --dirty 2>/dev/null || echo unknown)
# gRPC, which the exporters of OpenTelemetry bring along, else keeps the linker from leaving out what nobody calls.
TAGS    = grpcnotrace
LDFLAGS = -s -w -X github.com/erpstream/erpstream/pkg/service.version=$(VERSION)

.PHONY: help build run test check k8s-check k8s-verify generate images licences bench bench-check bench-baseline chaos chaos-proof house scale-sim fuzz tidy tools clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## build every service into bin/
	CGO_ENABLED=0 go build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o bin/ $(SERVICES)

run: build ## build, then run everything on this machine: make run ARGS="--records 1000"
	bin/erpstream up $(ARGS)

test: ## install what the tests need, then run every test of every module under the race detector
	@tools/setup.sh
	@tools/test.sh

check: tools ## build, vet and lint each module alone; contracts, generated code, go.mod files
	@TAGS='$(TAGS)' tools/check.sh $(MODULES)

k8s-check: build/tools/.k8s ## check the manifests below k8s alone: kustomize, schemas, Pod Security, rules; OVERLAY=production one of them
	@build/tools/k8s $(OVERLAY)

k8s-verify: build/tools/.k8s build/tools/kube-apiserver build/tools/etcd ## have a real API server of Kubernetes take them, on this machine: OVERLAY=production one of them; ARGS="-apply" lists what it holds then
	@build/tools/k8s verify $(ARGS) $(OVERLAY)

generate: build/tools/.buf ## make what follows from the contracts: proto/gen, and their comments for people
	build/tools/buf generate
	build/tools/buf build --exclude-imports --as-file-descriptor-set --path proto/erpstream -o proto/comments/comments.binpb

images: build/tools/.images ## make the container images, without an engine, in build/images: make images ARGS="--platform linux/amd64 sink-mysql"
	@build/tools/images --tags '$(TAGS)' --ldflags '$(LDFLAGS)' --version '$(VERSION)' $(ARGS)

licences: build/tools/.images ## write docs/dependencies.md: what is linked into the services, and under which licence
	@build/tools/licences --tags '$(TAGS)' $(ARGS)

bench: ## measure everything beside its floor: BENCH=quick a first look, growth what takes longer, go the benchmarks of packages; ARGS="--help"
	@tools/setup.sh
	@tools/bench.sh "$(BENCH)" $(ARGS)

bench-check: ## measure, and fail where a ratio is worse than in the committed baseline by more than noise explains
	@tools/setup.sh
	@tools/bench.sh check $(ARGS)

bench-baseline: ## measure, and keep the ratios as the baseline from now on
	@tools/setup.sh
	@tools/bench.sh baseline $(ARGS)

chaos: ## kill, cut and starve everything for ten minutes and compare the books: CHAOS=long an hour, CHAOS=short a minute
	@tools/setup.sh
	@tools/chaos.sh $(CHAOS)

chaos-proof: ## take guards out of the code, one by one: the campaign must notice each
	@tools/setup.sh
	@tools/chaos-proof.sh $(GUARD)

house: build/tools/.k8s ## run the images as Kubernetes would, in network namespaces: policies, TLS, three NATS servers, kills; needs root, and make images
	@tools/setup.sh
	@tools/house.sh $(ARGS)

scale-sim: ## simulate days of load, KEDA and outages, and what each size asks of each part: pictures in build/; ARGS="-help"
	@go run ./pkg/test/scale -svg build $(ARGS)

fuzz: ## feed odd input to every reader of foreign input: FUZZTIME=30s for each, ONLY='pkg/flow|FuzzKey' some
	@tools/setup.sh
	@tools/fuzz.sh '$(ONLY)'

tidy: ## go mod tidy in every module
	@for module in $(MODULES) $(TOOLS:%=tools/%) $(SERVERS); do (set -x; GOWORK=off go -C $$module mod tidy); done

tools: $(TOOLS:%=build/tools/.%) ## build the pinned tools into build/tools

clean: ## remove bin/ and build/; data/ stays
	rm -rf bin build

build/tools/.images: $(shell find tools/images -name '*.go' -not -name '*_test.go')

build/tools/.k8s: $(wildcard tools/k8s/*.go)

# All tools of one module; the stamp is younger than the module's go.sum.
build/tools/.%: tools/%/go.mod tools/%/go.sum
	@mkdir -p $(@D)
	GOWORK=off go -C tools/$* build -ldflags '-s -w' -o $(CURDIR)/$(@D)/ tool
	@touch $@

# A server says its version, which is that of its module.
KUBERNETES = $(shell GOWORK=off go -C tools/k8s/apiserver list -m -f '{{.Version}}' k8s.io/kubernetes)
build/tools/kube-apiserver: LDFLAGS = -s -w $(addprefix -X k8s.io/component-base/version.,gitVersion=$(KUBERNETES) \
	gitMajor=$(word 1,$(subst ., ,$(KUBERNETES:v%=%))) gitMinor=$(word 2,$(subst ., ,$(KUBERNETES))))
build/tools/etcd: LDFLAGS = -s -w
build/tools/kube-apiserver: $(addprefix tools/k8s/apiserver/,go.mod go.sum main.go)
build/tools/etcd: $(addprefix tools/k8s/etcd/,go.mod go.sum main.go)
build/tools/kube-apiserver build/tools/etcd:
	@mkdir -p $(@D)
	GOWORK=off go -C $(<D) build -ldflags '$(LDFLAGS)' -o $(CURDIR)/$@ .
	@touch $@
