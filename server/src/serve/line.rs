//! A client's socket within limits of time.
//!
//! Reading ends at the deadline of the [`Pulse`], writing when the client takes nothing for a minute. A client that closes
//! its half of the connection may have left or may wait for its answer, which look the same until something is sent: see
//! [`Probe`]. hyper is told to take half a connection for a whole one, and asks to flush whenever it looks at the connection,
//! so that is when this looks as well.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, Sleep, interval_at, sleep_until};

use super::pulse::{Probe, Pulse};

/// What a client still sends that was refused is read for so long, or its system would throw the refusal away.
const LINGER: Duration = Duration::from_secs(2);
/// How often it is looked whether a client that has closed its half has answered a probe with a reset,
const LOOK: Duration = Duration::from_millis(100);
/// and after how many looks it is sent the next.
const LOOKS: usize = 50;

const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

pub(super) struct Line {
    stream: TcpStream,
    /// What was read and is to be read again.
    unread: Vec<u8>,
    pulse: Arc<Pulse>,
    /// For what is read.
    alarm: Alarm,
    /// For what is written.
    stall_alarm: Alarm,
    half_closed: Option<HalfClosed>,
    lingers_until: Option<Instant>,
}

struct HalfClosed {
    looks: Interval,
    count: usize,
}

impl Line {
    pub(super) fn new(stream: TcpStream, pulse: Arc<Pulse>) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            pulse,
            alarm: Alarm::default(),
            stall_alarm: Alarm::default(),
            half_closed: None,
            lingers_until: None,
        }
    }

    /// Whether what comes begins with these bytes, which stay to be read. As long as it may, the rest of them is waited for.
    pub(super) async fn begins_with(&mut self, wanted: &[u8]) -> io::Result<bool> {
        let mut begin = Vec::with_capacity(wanted.len());
        while begin.len() < wanted.len() && wanted.starts_with(&begin) {
            let missing = wanted.len() - begin.len();
            if (&mut *self)
                .take(missing as u64)
                .read_buf(&mut begin)
                .await?
                == 0
            {
                break;
            }
        }
        let begins = begin == wanted;
        self.unread = begin;
        Ok(begins)
    }

    /// What a write came to, which may not wait for ever.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.pulse.wrote();
            return written;
        }
        let deadline = self.pulse.stalls();
        self.stall_alarm.poll(context, Some(deadline))
    }

    /// An error when the client has left while its answer is made.
    fn check_presence(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(probe) = self.pulse.probe() else {
            return Ok(());
        };
        if self.half_closed.is_none() {
            let mut next = [0];
            match self.stream.poll_peek(context, &mut ReadBuf::new(&mut next)) {
                Poll::Ready(Ok(0)) => {}
                // What comes next is another request.
                Poll::Ready(Ok(_)) | Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        let half_closed = self.half_closed.get_or_insert_with(|| HalfClosed {
            looks: interval_at(Instant::now() + LOOK, LOOK),
            count: 0,
        });
        while half_closed.looks.poll_tick(context).is_ready() {
            if half_closed.count.is_multiple_of(LOOKS) {
                match probe {
                    Probe::Interim => send_interim(&self.stream)?,
                    Probe::Comment => self.pulse.want_comment(),
                    Probe::None => return Err(ErrorKind::ConnectionAborted.into()),
                }
            }
            half_closed.count += 1;
            if let Some(reset) = self.stream.take_error()? {
                return Err(reset);
            }
        }
        Ok(())
    }

    /// Reads to the end of what comes, for a while.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let until = *self
            .lingers_until
            .get_or_insert_with(|| Instant::now() + LINGER);
        let mut unread = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut unread);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    let over = self.alarm.poll::<()>(context, Some(until));
                    return over.map(|_| Ok(()));
                }
            }
            if Instant::now() >= until {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Clients skip interim responses.
fn send_interim(stream: &TcpStream) -> io::Result<()> {
    match stream.try_write(INTERIM) {
        Ok(sent) if sent == INTERIM.len() => Ok(()),
        Ok(_) => Err(ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        if !line.unread.is_empty() {
            let again = line.unread.len().min(buffer.remaining());
            buffer.put_slice(&line.unread[..again]);
            line.unread.drain(..again);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut line.stream).poll_read(context, buffer);
        if read.is_pending() {
            return line.alarm.poll(context, line.pulse.deadline());
        }
        if buffer.filled().len() > before {
            line.pulse.heard();
        }
        read
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        let written = Pin::new(&mut line.stream).poll_write(context, data);
        line.written(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        let written = Pin::new(&mut line.stream).poll_write_vectored(context, pieces);
        line.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        ready!(Pin::new(&mut line.stream).poll_flush(context))?;
        line.pulse.flushed();
        Poll::Ready(line.check_presence(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        ready!(Pin::new(&mut line.stream).poll_shutdown(context))?;
        if line.pulse.is_unread() {
            return line.linger(context);
        }
        Poll::Ready(Ok(()))
    }
}

/// Wakes at a deadline, and is set only while there is one.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// An error once the deadline has passed.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        deadline: Option<Instant>,
    ) -> Poll<io::Result<T>> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep
            .as_mut()
            .poll(context)
            .map(|()| Err(ErrorKind::TimedOut.into()))
    }
}
