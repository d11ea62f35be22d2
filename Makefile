# svcspy: `make demo` and `make test` need Go and make, nothing else.
export CGO_ENABLED ?= 0
GO ?= go
BENCH ?= .
ORACLE ?= 50000
CONTROLPLANE = fixtures/controlplane
BROWSER = fixtures/browser
TOOLS = $(GO) tool -modfile=fixtures/tools/go.mod
SOURCES = $(shell git ls-files '*.go' 2>/dev/null)

.PHONY: help build man update demo test check e2e bench soak oracle matrix record-incidents cluster-up cluster-down fmt release-files release-snapshot release-equal release-krew image sizes gallery vulncheck vet-platforms chart

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

build: bin/svcspy ## build bin/svcspy

.PHONY: bin/svcspy
bin/svcspy:
	@test -e bin/svcspy || echo "building bin/svcspy, once: about a minute" >&2
	@$(GO) build -trimpath -o bin/svcspy ./cmd/svcspy

man: bin/svcspy ## write man pages into bin/man
	@bin/svcspy man bin/man && ls bin/man

update: ## rewrite every golden: help, documents, scripts, pages, screens, reports, DIAGNOSES.md
	@$(GO) test -count=1 ./analyzer -run Documented -update-doc >/dev/null
	@$(GO) test -count=1 ./recorder -run Rules -update >/dev/null
	@$(GO) test -count=1 ./cmd/svcspy/record -run ChartRules -update >/dev/null
	@$(GO) test -count=1 ./replay/report ./replay/tui -update >/dev/null
	@$(GO) test -count=1 ./replay/postmortem -run Golden -update >/dev/null
	@$(GO) test -count=1 -timeout 30m ./cmd/svcspy -run 'Help|Schemas|Documents|README|Scripts' -update >/dev/null
	@git status --short

demo: bin/svcspy ## an outage explained, from an embedded recording
	@bin/svcspy demo --once

test: ## all tests that need no cluster
	@$(GO) test -timeout 30m ./...

# The packages in which something runs beside something else: only there can the race
# detector find anything, and it makes tests some ten times slower.
CONCURRENT = $$($(GO) list -f '{{.Dir}}' ./... | while read -r dir; do ! grep -lqE '^[[:space:]]*go [a-zA-Z_.]+\(|\.Go\(|errgroup|httptest|RunParallel|t\.Parallel' $$dir/*.go || echo $$dir; done)

check: ## format, vet, staticcheck, layers, docs, and what is concurrent under the race detector
	@out=$$($(TOOLS) gofumpt -l $(SOURCES)); test -z "$$out" || { echo "not formatted (make fmt):"; echo "$$out"; exit 1; }
	@$(GO) vet ./...
	@$(TOOLS) staticcheck ./...
	@cd $(CONTROLPLANE) && $(GO) vet ./... && $(TOOLS_FROM_BELOW) staticcheck ./...
	@cd $(BROWSER) && $(GO) vet ./... && $(TOOLS_FROM_BELOW) staticcheck ./...
	@cd fixtures/bucket && $(GO) vet ./...
	@cd $(RELEASE) && $(GO) test .
	@cd $(REALNODES) && $(GO) vet ./... && $(TOOLS_FROM_BELOW) staticcheck ./...
	@$(GO) test -run 'TestLayers|TestNoClock|TestREADME' ./cmd/svcspy
	@CGO_ENABLED=1 $(GO) test -race -short -shuffle=on -timeout 30m $$(printf '%s\n' $(CONCURRENT) | grep -v '/cmd/svcspy$$')
	@CGO_ENABLED=1 $(GO) test -race -short -shuffle=on -timeout 30m -run 'WhileRecording|MCP|OnATerminal|Scripts' ./cmd/svcspy

TOOLS_FROM_BELOW = $(GO) tool -modfile=$(CURDIR)/fixtures/tools/go.mod

fmt: ## format the sources
	@$(TOOLS) gofumpt -w $(SOURCES)

e2e: bin/svcspy ## everything against a real control plane (builds and caches it)
	@cd $(CONTROLPLANE) && SVCSPY_E2E=1 $(GO) test -count=1 -timeout 40m ./...
	@cd fixtures/bucket && $(GO) test -count=1 -timeout 10m ./...
	@cd fixtures/sql && if command -v $${CC:-cc} >/dev/null; then CGO_ENABLED=1 $(GO) test -count=1 -timeout 10m .; else echo "fixtures/sql: skipped, DuckDB needs a C compiler" >&2; fi
	@SOAK=45s $(GO) test -count=1 -timeout 5m -run TestSoak ./recorder/flight
	@cd $(BROWSER) && $(GO) test -count=1 -timeout 20m
	@cd $(REALNODES) && SVCSPY_E2E=1 $(GO) test -count=1 -timeout 25m ./...

chart: ## the Helm chart, its rules and what it takes from Alertmanager, by Helm's, Prometheus' and Alertmanager's code
	@cd fixtures/chart && $(GO) vet ./... && $(GO) test -count=1 -timeout 10m ./...

bench: export SVCSPY_CORPUS = $(if $(CORPUS),$(abspath $(CORPUS)))
bench: ## the bars; BENCH=regexp selects; CORPUS=file is what they read: a watch event a line; SVCSPY_BENCH_AGENT=35m has the agent's ring full
	@{ SVCSPY_BENCH=1 $(GO) test -count=1 -timeout 60m -v -run 'Bars/$(BENCH)' ./... ; \
	  cd fixtures/bucket && SVCSPY_BENCH=1 $(GO) test -count=1 -timeout 60m -v -run 'Bars/$(BENCH)' ./... ; } | grep -E '^ *bench |^(FAIL|---)' | sed 's/^ *//'

soak: ## an agent killed CHAOS=200 times over a bad line loses nothing; one at 500 events/s for SOAK=2h, killed 20 times, its store away for a sixth of that, loses nothing and does not grow; nor does a flight recorder
	@cd fixtures/bucket && SVCSPY_CHAOS=$(or $(CHAOS),200) $(GO) test -count=1 -timeout 0 -v -run TestChaos .
	@cd fixtures/bucket && SOAK=$(or $(SOAK),2h) $(GO) test -count=1 -timeout 0 -v -run TestSoak .
	@SOAK=$(or $(SOAK),2h) $(GO) test -count=1 -timeout 0 -v -run TestSoak ./recorder/flight

oracle: ## 50,000 recorded events and a hundred faults held against client-go and the audit log
	@cd $(CONTROLPLANE) && SVCSPY_E2E=1 SVCSPY_ORACLE=$(ORACLE) $(GO) test -count=1 -timeout 60m -v -run 'TestRecordingEqualsInformers' ./e2e

matrix: ## four incidents on the control planes of Kubernetes 1.30 to 1.37; VERSIONS="1.33 1.35"; each is built once, a quarter of an hour
	@cd $(CONTROLPLANE) && SVCSPY_E2E=1 SVCSPY_VERSIONS="$(or $(VERSIONS),1.30 1.31 1.32 1.33 1.34 1.35 1.36 1.37)" $(GO) test -count=1 -timeout 0 -v -run TestOlderVersions ./e2e

record-incidents: bin/svcspy ## record fixtures/incidents anew on a real control plane
	@cd $(CONTROLPLANE) && $(GO) run ./cmd/incident --svcspy $(CURDIR)/bin/svcspy --all

cluster-up: ## start a real control plane to play with; prints KUBECONFIG
	@cd $(CONTROLPLANE) && $(GO) run ./cmd/cluster up

cluster-down: ## stop it
	@cd $(CONTROLPLANE) && $(GO) run ./cmd/cluster down

NODES ?= 3
REALNODES = fixtures/nodes

.PHONY: nodes-up nodes-down truth
nodes-up: ## start real nodes with packets (Linux, root, Debian's containerd and nftables); NODES=3; prints KUBECONFIG
	@cd $(REALNODES) && $(GO) run ./cmd/nodes up $(NODES)

nodes-down: ## stop them, and leave nothing behind
	@cd $(REALNODES) && $(GO) run ./cmd/nodes down

truth: ## play faults on real nodes and hold every verdict against packets; FAULTS=names
	@cd $(REALNODES) && $(GO) run ./cmd/truth $(FAULTS)

RELEASE = fixtures/release
export COMMIT ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)
export COMMIT_DATE ?= $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)
export COMMIT_TIME ?= $(shell git log -1 --format=%ct 2>/dev/null)
RELEASE_TOOL = $(GO) tool -modfile=$(RELEASE)/go.mod

release-files: ## what archives hold beside the program: man pages, completions, licences
	@rm -rf bin/release && mkdir -p bin/release/completions bin/release/tools
	@$(GO) build -trimpath -o bin/release/tools/svcspy ./cmd/svcspy
	@cd $(RELEASE) && $(GO) build -o ../../bin/release/tools/release .
	@bin/release/tools/svcspy man bin/release/man
	@for s in bash zsh fish powershell; do bin/release/tools/svcspy completion $$s >bin/release/completions/svcspy.$$s || exit 1; done
	@mv bin/release/completions/svcspy.powershell bin/release/completions/svcspy.ps1
	@bin/release/tools/release licences bin/release/tools/svcspy >bin/release/THIRD_PARTY_LICENSES.txt

release-snapshot: ## archives, packages, checksums, SBOMs, krew and brew manifests in bin/dist; publishes nothing
	@$(RELEASE_TOOL) goreleaser release --snapshot --clean --parallelism 1 --timeout 60m
	@ls bin/dist

release-equal: release-snapshot ## build the snapshot again elsewhere, without the build cache: every file is equal
	@rm -rf bin/again && git worktree add --force --detach -q bin/again/tree && cp .goreleaser.yaml bin/again/tree/ && \
	  gr=$$($(RELEASE_TOOL) -n goreleaser) && (cd bin/again/tree && GOCACHE=$(CURDIR)/bin/again/cache $$gr release --snapshot --clean --parallelism 1 --timeout 60m >/dev/null) ; \
	  bin/release/tools/release equal bin/dist bin/again/tree/bin/dist ; code=$$? ; git worktree remove --force bin/again/tree ; rm -rf bin/again ; exit $$code

IMAGE ?= localhost/svcspy:$(COMMIT)
image: ## a container image for amd64 and arm64 without Docker, in bin/image.tar; IMAGE=name
	@mkdir -p bin/programs && cd $(RELEASE) && $(GO) build -o ../../bin/release-tool .
	@for arch in amd64 arm64; do GOOS=linux GOARCH=$$arch CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "-s -w -X $(CLI).version=0.0.0-$(COMMIT) -X $(CLI).commit=$(COMMIT) -X $(CLI).date=$(COMMIT_DATE)" -o bin/programs/svcspy-$$arch ./cmd/svcspy || exit 1; done
	@bin/release-tool image $(IMAGE) bin/image bin/programs/svcspy-amd64 bin/programs/svcspy-arm64

CLI = github.com/svcspy/svcspy/cmd/svcspy/cli

release-krew: ## the krew manifest of bin/dist is valid, and krew installs the archive with it
	@rm -rf bin/krew && mkdir -p bin/krew && KREW_ROOT=$(CURDIR)/bin/krew $(RELEASE_TOOL) krew install \
	  --manifest=bin/dist/krew/svcspy.yaml --archive=$$(ls bin/dist/svcspy_*_$$($(GO) env GOOS)_$$($(GO) env GOARCH).tar.gz) && bin/krew/bin/kubectl-svcspy version

sizes: bin/svcspy ## what costs how many bytes in the program; fails above 50 MiB stripped
	@cd $(RELEASE) && $(GO) build -o ../../bin/release-tool . && cd ../.. && bin/release-tool sizes bin/svcspy

gallery: bin/svcspy ## a report of every recorded incident, and an index, in bin/gallery
	@rm -rf bin/gallery && mkdir -p bin/gallery && cd fixtures/incidents && for f in *.db; do \
	  ../../bin/svcspy report $$f -o html -f ../../bin/gallery/$${f%.db}.html -q >/dev/null || echo "$$f: no report"; done
	@cd bin/gallery && { echo '<!doctype html><html lang="en"><meta charset="utf-8"><title>svcspy: incidents</title><h1>Recorded incidents</h1><ul>'; \
	  for f in *.html; do [ $$f = index.html ] || echo "<li><a href=\"$$f\">$${f%.html}</a></li>"; done; echo '</ul>'; } >index.html
	@echo "bin/gallery/index.html: $$(ls bin/gallery | grep -vc index) reports"

vulncheck: ## known vulnerabilities in what the program calls; needs the network
	@$(RELEASE_TOOL) govulncheck ./cmd/svcspy

vet-platforms: ## vet for Windows and macOS; builds all dependencies for each once
	@for os in windows darwin; do GOOS=$$os $(GO) vet ./... || exit 1; done
