# syntax=docker/dockerfile:1

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/flyte-notifier ./cmd/agent \
    && install -d -m 0750 /out/data

FROM gcr.io/distroless/static-debian12:nonroot
LABEL org.opencontainers.image.title="flyte-notifier" \
      org.opencontainers.image.description="Notifications for Flyte executions, sent by an agent outside of them" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/flyte-notifier /flyte-notifier
# The store. The root file system may be read-only, this must be writable.
COPY --from=build --chown=65532:65532 /out/data /var/lib/flyte-notifier
VOLUME ["/var/lib/flyte-notifier"]
WORKDIR /var/lib/flyte-notifier
USER 65532:65532
EXPOSE 8000 8080
ENTRYPOINT ["/flyte-notifier"]
CMD ["serve", "--config", "/etc/flyte-notifier/config.yaml"]
