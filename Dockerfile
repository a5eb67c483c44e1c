# Two stages: a cross compiler on the builder's own architecture, then the program alone on a base without a shell.
#
#   docker build -t nibble .
#   docker buildx build --platform linux/amd64,linux/arm64 -t nibble .
#
# It also builds without BuildKit, which sets neither BUILDPLATFORM nor TARGETARCH.

FROM --platform=${BUILDPLATFORM:-linux/amd64} rust:1.95-bookworm AS build
ARG TARGETARCH
WORKDIR /src

# The dependencies in a layer of their own, which only a change of these files builds again.
COPY Cargo.toml Cargo.lock ./
COPY app/Cargo.toml app/
COPY engine/Cargo.toml engine/
COPY engine/benches/*.rs engine/benches/
COPY server/Cargo.toml server/
COPY deploy/container-build deploy/
RUN mkdir app/src engine/src server/src \
    && touch app/src/lib.rs engine/src/lib.rs server/src/lib.rs \
    && echo 'fn main() {}' > server/src/main.rs \
    && deploy/container-build "$TARGETARCH"

# The engine changes less often than what is around it. Sources may be older than the empty ones that they replace.
COPY engine engine
RUN touch engine/src/lib.rs && deploy/container-build "$TARGETARCH"

COPY app app
COPY public public
COPY server server
COPY style style
RUN touch app/src/lib.rs server/src/lib.rs server/src/main.rs \
    && deploy/container-build "$TARGETARCH" \
    && mkdir target/models target/conversations

# The C library, certificates and an unprivileged user; neither shell nor package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Nibble" \
    org.opencontainers.image.description="A browser chat that runs Llama models on the CPU at four bits a weight" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"
COPY --from=build /src/target/nibble /usr/local/bin/nibble
# A volume that is mounted at one of these takes over the owner of the folder.
COPY --from=build --chown=65532:65532 /src/target/models /models
COPY --from=build --chown=65532:65532 /src/target/conversations /conversations
ENV NIBBLE_ADDR=0.0.0.0:3000 NIBBLE_HOME=/models NIBBLE_DATABASE=/conversations/nibble.db
VOLUME /models /conversations
EXPOSE 3000
USER 65532:65532
# The first start fetches a model, which takes as long as the line is slow.
HEALTHCHECK --start-period=15m --interval=10s --timeout=5s --retries=3 CMD ["/usr/local/bin/nibble", "health"]
ENTRYPOINT ["/usr/local/bin/nibble"]
