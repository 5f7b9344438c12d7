//! One call: a connection, one JSON object each way, as the authors' sample applications have
//! it: they read until what they have parses, answer one object and close. The sending side is
//! not shut down: servers exist that then give up.

use super::{
    config::{ContainerConfig, ContainerOutput},
    error::ContainerError,
    scanner::{Scanned, Scanner},
};
use crate::{
    output::{self, Problem},
    text::shorten,
};
use std::{net::SocketAddr, time::Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::spawn_blocking,
};

/// Largest answer that is taken apart where it was read.
const AT_ONCE_BYTES_MAX: usize = 64 * 1024;
/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// Calls an application; without a bound of its own on time.
pub(super) async fn call(
    address: SocketAddr,
    input: &[u8],
    config: &ContainerConfig,
) -> Result<ContainerOutput, ContainerError> {
    let started = Instant::now();
    let answer = exchange(address, input, config.answer_bytes_max()).await?;
    let max_bytes = config.output_bytes_max;
    // A large one takes its time: not on the threads that everything waits for.
    let read = if answer.len() > AT_ONCE_BYTES_MAX {
        let reading = spawn_blocking(move || output::read(&answer)).await;
        reading.unwrap_or_else(|_| Err(Problem::Bad("the node is stopping".to_owned())))
    } else {
        output::read(&answer)
    };
    match read {
        Ok(data) if data.len() > max_bytes => Err(ContainerError::AnswerTooLarge { max_bytes }),
        Ok(data) => Ok(ContainerOutput { data, duration: started.elapsed() }),
        Err(Problem::App(message)) => Err(ContainerError::App { message }),
        Err(Problem::Bad(reason)) => Err(ContainerError::BadAnswer { reason }),
    }
}

async fn exchange(
    address: SocketAddr,
    input: &[u8],
    max_bytes: usize,
) -> Result<Vec<u8>, ContainerError> {
    let broken = |got_bytes: usize| {
        move |error: std::io::Error| ContainerError::Broken {
            got_bytes,
            reason: shorten(error.to_string()),
        }
    };
    let connected = TcpStream::connect(address).await;
    let mut stream = connected
        .map_err(|error| ContainerError::Unheard { reason: shorten(error.to_string()) })?;
    // A call is one small message each way.
    stream.set_nodelay(true).map_err(broken(0))?;
    stream.write_all(input).await.map_err(broken(0))?;
    let (mut answer, mut scanner) = (Vec::new(), Scanner::default());
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = stream.read(&mut buffer).await.map_err(broken(answer.len()))?;
        let piece = buffer.get(..read).unwrap_or_default();
        if piece.is_empty() {
            let (got_bytes, reason) = (answer.len(), "it was closed".to_owned());
            return Err(ContainerError::Broken { got_bytes, reason });
        }
        let scanned = scanner.feed(piece);
        let end = if let Scanned::Whole(end) = scanned { end } else { piece.len() };
        answer.extend_from_slice(piece.get(..end).unwrap_or_default());
        if answer.len() > max_bytes {
            return Err(ContainerError::AnswerTooLarge { max_bytes });
        }
        match scanned {
            Scanned::Open => {}
            Scanned::Whole(_) => return Ok(answer),
            Scanned::NoObject => {
                let start: String = String::from_utf8_lossy(&answer).chars().take(40).collect();
                let reason = format!("it is no JSON object: {start:?}");
                return Err(ContainerError::BadAnswer { reason });
            }
        }
    }
}
