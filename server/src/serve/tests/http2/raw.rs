//! A client that keeps to no rule: frames byte by byte (RFC 9113, 4.1).

use super::*;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) struct Raw(pub(super) TcpStream);

impl Raw {
    pub(super) async fn connect(running: &Running) -> Self {
        let mut raw = Self(TcpStream::connect(running.address).await.unwrap());
        raw.0.write_all(PREFACE).await.unwrap();
        raw.send(&frame(SETTINGS, 0, 0, &[])).await;
        raw
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The type, the stream and the payload of the next frame; none at the end.
    async fn frame(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], stream, payload))
    }

    /// The code by which a stream was reset.
    pub(super) async fn reset_of(&mut self, wanted: u32) -> Option<u32> {
        loop {
            let (kind, stream, payload) = self.frame().await?;
            if kind == RESET && stream == wanted {
                return Some(number(&payload));
            }
        }
    }

    /// The codes with which the connection went away, to its end.
    pub(super) async fn went_away(&mut self) -> Vec<u32> {
        let mut codes = Vec::new();
        while let Some((kind, _, payload)) = self.frame().await {
            if kind == GO_AWAY {
                codes.push(number(&payload[4..]));
            }
        }
        codes
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The head of a chat, and a header more where there is one.
pub(super) fn head(flags: u8, stream: u32, more: Option<(&str, &str)>) -> Vec<u8> {
    // POST and http, by the static table of HPACK (RFC 7541, appendix A); the rest in letters.
    let mut block = vec![0x83, 0x86];
    let mut literal = |name: &[u8], value: &str| {
        block.extend_from_slice(name);
        block.push(value.len() as u8);
        block.extend_from_slice(value.as_bytes());
    };
    literal(&[0x04], "/v1/chat/completions");
    literal(&[0x01], "localhost");
    if let Some((name, value)) = more {
        let name = [&[0, name.len() as u8], name.as_bytes()].concat();
        literal(&name, value);
    }
    frame(HEADERS, flags, stream, &block)
}

pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RESET, 0, stream, &8_u32.to_be_bytes())
}

pub(super) fn data(stream: u32, text: &str) -> Vec<u8> {
    frame(0, END_STREAM, stream, text.as_bytes())
}
