# A thin face for CMake: two commands do everything on a fresh Debian 12 machine.
#   make demo   installs packages, builds, runs the main job on the embedded example
#   make test   installs packages, builds, runs the tests
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PACKAGES := $(shell grep -v '^\#' packages.txt)

.PHONY: all build test demo packages clean

all: build

packages:
	@missing=""; for p in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing Debian packages:$$missing"; \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  $(SUDO) apt-get install -y -qq --no-install-recommends $$missing; \
	else echo "all Debian packages of packages.txt are installed"; fi

build: packages
	@echo "building Coppice in ./build"
	cmake --preset release
	cmake --build --preset release

test: build
	@echo "running the tests"
	ctest --test-dir build --output-on-failure

demo: build
	examples/faces/demo.sh build

clean:
	rm -rf build build-debug build-asan
