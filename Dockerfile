# syntax=docker/dockerfile:1

# The build runs on the builder's own platform and cross-compiles, which is far faster than emulating the target.
FROM --platform=$BUILDPLATFORM golang:1.26-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH sh scripts/build /out "$VERSION"

# No shell and no package manager; it brings CA certificates, time zones and the user nonroot.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/ /usr/local/bin/
# The programs are backbeat-api, backbeat-worker, backbeat-beat and backbeat-standalone, and their client backbeat. Each of
# the four answers to the argument healthcheck; docker-compose.yml shows it in use.
CMD ["backbeat-api"]
