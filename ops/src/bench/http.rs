//! The least of HTTP/1.1 that measuring needs: one answer of known length out of a buffer, and a blocking GET.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::Failed;

/// An answer that lies whole in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// Reads an answer; `None` while some of it is missing.
///
/// # Errors
/// Not an answer with a length.
pub(crate) fn parse(buffer: &[u8]) -> Result<Option<Answer<'_>>, &'static str> {
    Ok(find(buffer)?.map(|(status, body)| Answer { status, body: &buffer[body] }))
}

/// The next answer of a connection, into a buffer that answers fit in.
///
/// # Errors
/// None, one that is longer, or not one with a length.
pub(crate) async fn read<'b>(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &'b mut [u8],
) -> Result<Answer<'b>, Failed> {
    let mut length = 0;
    loop {
        match stream.read(&mut buffer[length..]).await? {
            0 => return Err(Failed("the server closed a connection, or its answer is too long".to_owned())),
            read => length += read,
        }
        if let Some((status, body)) = find(&buffer[..length]).map_err(|why| Failed(why.to_owned()))? {
            return Ok(Answer { status, body: &buffer[body] });
        }
    }
}

/// The status of an answer, and where its body is.
fn find(buffer: &[u8]) -> Result<Option<(u16, Range<usize>)>, &'static str> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&buffer[..end]).map_err(|_| "the head of an answer is not text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|rest| rest.get(..3));
    let status = status.and_then(|status| status.parse().ok()).ok_or("an answer begins with no status")?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let start = end + 4;
    let length = length.ok_or("an answer states no length")?;
    let body = start..start + length;
    Ok(buffer.get(body.clone()).map(|_| (status, body)))
}

/// One connection, one request at a time.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub(crate) fn connect(address: SocketAddr) -> Result<Client, Failed> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Client { stream, buffer: Vec::new() })
    }

    /// The body of a 200.
    ///
    /// # Errors
    /// Any other answer, or none.
    pub(crate) fn get(&mut self, path: &str) -> Result<Vec<u8>, Failed> {
        self.exchange(path, format!("GET {path} HTTP/1.1\r\nhost: bench\r\naccept: text/plain\r\n\r\n").as_bytes())
    }

    /// The body of a 200 to a POST.
    ///
    /// # Errors
    /// Any other answer, or none.
    pub(crate) fn post(&mut self, path: &str, media_type: &str, body: &[u8]) -> Result<Vec<u8>, Failed> {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
        );
        self.exchange(path, &[head.as_bytes(), body].concat())
    }

    fn exchange(&mut self, path: &str, request: &[u8]) -> Result<Vec<u8>, Failed> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        loop {
            let mut chunk = [0; 16 << 10];
            match self.stream.read(&mut chunk)? {
                0 => return Err(Failed(format!("{path}: the server closed the connection"))),
                read => self.buffer.extend_from_slice(&chunk[..read]),
            }
            match parse(&self.buffer).map_err(|why| Failed(format!("{path}: {why}")))? {
                None => {}
                Some(Answer { status: 200, body }) => return Ok(body.to_vec()),
                Some(Answer { status, .. }) => return Err(Failed(format!("{path}: status {status}"))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_in_pieces() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nx: y\r\n\r\nabcd";
        for cut in 0..whole.len() - 1 {
            assert_eq!(parse(&whole[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(parse(whole), Ok(Some(Answer { status: 200, body: b"abc" })));
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse(b"nonsense\r\ncontent-length: 0\r\n\r\n").is_err());
    }
}
