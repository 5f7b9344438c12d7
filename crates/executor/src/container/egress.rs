//! The way out of a container's network: an HTTP proxy on the host's address there, which
//! connects to granted hosts alone (RFC 9110, sections 9.3.6 `CONNECT` and 7.1 absolute form).
//! What else a container tries has no route.
//!
//! Invariants: names are looked up here, so a granted name is what the node takes it for;
//! connections, heads and silence are bounded; dropping it closes the way.

use super::error::ContainerError;
use crate::text::shorten;
use nix::sys::socket::{setsockopt, sockopt};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpSocket, TcpStream, lookup_host},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// Connections of one container at the same time.
const CONNECTIONS_MAX: usize = 64;
/// Connections that wait to be taken.
const BACKLOG: u32 = 64;
/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// For a head to come, and for a connection to be made.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection lasts no longer.
const CONNECTION_MAX: Duration = Duration::from_secs(3_600);
/// After a connection could not be taken.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Port of `http://` without one.
const HTTP_PORT: u16 = 80;

/// An open way out.
#[derive(Debug)]
pub(super) struct Egress {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Egress {
    /// Opens a way to `hosts` on an address of this machine.
    pub(super) fn open(address: IpAddr, hosts: &[String]) -> Result<Self, ContainerError> {
        let failed = |error: std::io::Error| ContainerError::Engine {
            action: "open the way out of a network",
            reason: error.to_string(),
        };
        let listener = listen(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let hosts: Arc<[String]> = hosts.into();
        let task = tokio::spawn(async move {
            // They end with the way.
            let mut connections = JoinSet::new();
            loop {
                while connections.len() >= CONNECTIONS_MAX {
                    connections.join_next().await;
                }
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of files, for one; it shall not spin on that.
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                };
                while connections.try_join_next().is_some() {}
                let hosts = Arc::clone(&hosts);
                connections.spawn(async move {
                    let _ = timeout(CONNECTION_MAX, serve(stream, &hosts)).await;
                });
            }
        });
        Ok(Self { address, task })
    }

    /// What tells programs of it, as most look for it.
    pub(super) fn environment(&self) -> Vec<String> {
        let url = format!("http://{}", self.address);
        let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
        let both = names.iter().flat_map(|name| [(*name).to_owned(), name.to_lowercase()]);
        let local = ["NO_PROXY", "no_proxy"].map(|name| format!("{name}=localhost,127.0.0.1"));
        both.map(|name| format!("{name}={url}")).chain(local).collect()
    }
}

/// Listens on an address that the machine may have only when the container begins: Podman makes
/// a network's bridge no earlier.
fn listen(address: IpAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if address.is_ipv4() {
        setsockopt(&socket, sockopt::IpFreebind, &true)?;
    }
    socket.bind((address, 0).into())?;
    socket.listen(BACKLOG)
}

/// Whether `host:port` is granted: by its name, or below a name with `*.` before it.
fn granted(hosts: &[String], host: &str, port: u16) -> bool {
    let host = host.to_ascii_lowercase();
    hosts.iter().filter_map(|it| it.rsplit_once(':')).any(|(name, at)| {
        at == port.to_string()
            && match name.strip_prefix("*.") {
                Some(domain) => host.strip_suffix(domain).is_some_and(|it| it.ends_with('.')),
                None => host == name,
            }
    })
}

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    host: String,
    port: u16,
    /// The head to send on; none for a tunnel.
    head: Option<String>,
}

/// Reads a request's first line and what follows up to the empty one.
fn parse(head: &str) -> Option<Asked> {
    let (line, rest) = head.split_once("\r\n")?;
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if method == "CONNECT" {
        let (host, port) = target.rsplit_once(':')?;
        return Some(Asked { host: host.to_owned(), port: port.parse().ok()?, head: None });
    }
    let after = target.strip_prefix("http://")?;
    let (authority, path) = after.find('/').map_or((after, "/"), |at| after.split_at(at));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, HTTP_PORT),
    };
    // One request a connection: the next one may be for another host.
    let kept = rest.split("\r\n").filter(|line| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        !name.starts_with("proxy-") && name != "connection" && !line.is_empty()
    });
    let fields: String = kept.map(|line| format!("{line}\r\n")).collect();
    let head = format!("{method} {path} {version}\r\n{fields}Connection: close\r\n\r\n");
    Some(Asked { host: host.to_owned(), port, head: Some(head) })
}

async fn serve(mut client: TcpStream, hosts: &[String]) {
    let Ok(Some((head, rest))) = timeout(PATIENCE, read_head(&mut client)).await else { return };
    let answer = match parse(&head) {
        None => Err("400 Bad Request"),
        Some(asked) if !granted(hosts, &asked.host, asked.port) => {
            tracing::warn!(
                host = shorten(asked.host.clone()),
                port = asked.port,
                "an application has no grant for"
            );
            Err("403 Forbidden")
        }
        Some(asked) => match connect(&asked).await {
            Some(upstream) => Ok((asked, upstream)),
            None => Err("502 Bad Gateway"),
        },
    };
    match answer {
        Err(status) => {
            let text =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = client.write_all(text.as_bytes()).await;
        }
        Ok((asked, mut upstream)) => {
            let begun = match asked.head {
                Some(head) => upstream.write_all(head.as_bytes()).await,
                None => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await,
            };
            if begun.is_ok() && upstream.write_all(&rest).await.is_ok() {
                let _ = copy_bidirectional(&mut client, &mut upstream).await;
            }
        }
    }
}

async fn connect(asked: &Asked) -> Option<TcpStream> {
    let is_name = asked.host.parse::<IpAddr>().is_err();
    let connecting = async {
        for address in lookup_host((asked.host.as_str(), asked.port)).await.ok()? {
            if is_name && is_own(address.ip()) {
                tracing::warn!(host = asked.host, %address, "a granted name means this machine");
                continue;
            }
            if let Ok(stream) = TcpStream::connect(address).await {
                return Some(stream);
            }
        }
        None
    };
    timeout(PATIENCE, connecting).await.ok()?
}

/// Whether services of the machine itself or of its hoster are there. A name may come to mean
/// any address, whoever owns it; a grant of such an address is there for all to read.
fn is_own(address: IpAddr) -> bool {
    let address = address.to_canonical();
    // Nothing else can be bound to.
    std::net::UdpSocket::bind((address, 0)).is_ok()
        || address.is_loopback()
        || address.is_unspecified()
        || match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
}

/// The head of a request, and what came behind it.
async fn read_head(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = client.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(buffer.get(..read)?);
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).ok()?, rest));
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_granted_by_name_and_port() {
        let hosts = ["api.example:443", "*.b.example:80", "10.0.0.1:53"].map(str::to_owned);
        for (host, port, expected) in [
            ("api.example", 443, true),
            ("API.example", 443, true),
            ("api.example", 80, false),
            ("x.api.example", 443, false),
            ("x.b.example", 80, true),
            ("x.y.b.example", 80, true),
            ("b.example", 80, false),
            ("xb.example", 80, false),
            ("10.0.0.1", 53, true),
            ("10.0.0.10", 53, false),
        ] {
            assert_eq!(granted(&hosts, host, port), expected, "{host}:{port}");
        }
    }

    #[test]
    fn both_forms_of_requests() {
        let tunnel = parse("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n");
        let expected = Asked { host: "a.example".to_owned(), port: 443, head: None };
        assert_eq!(tunnel, Some(expected));
        let text = "GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n\
                    Proxy-Authorization: x\r\nConnection: keep-alive\r\n\r\n";
        let asked = parse(text).unwrap();
        assert_eq!((asked.host.as_str(), asked.port), ("a.example", 80));
        let head = "GET /x?y HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
        assert_eq!(asked.head.as_deref(), Some(head));
        for text in ["", "GET / HTTP/1.1\r\n\r\n", "CONNECT a HTTP/1.1\r\n\r\n", "x\r\n\r\n"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_granted_host_is_reached_and_no_other() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut buffer = [0; 4];
            stream.read_exact(&mut buffer).await.unwrap();
            stream.write_all(&buffer).await.unwrap();
        });
        let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        let egress = Egress::open("127.0.0.1".parse().unwrap(), &hosts).unwrap();
        let ask = |head: String| async move {
            let mut stream = TcpStream::connect(egress.address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.unwrap();
            (String::from_utf8(status.to_vec()).unwrap(), stream, egress)
        };
        let (status, mut stream, egress) =
            ask(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nping")).await;
        assert_eq!(status, "HTTP/1.1 200");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"ping"), "{rest:?}");
        serving.await.unwrap();
        // Not granted; granted, and by its name this machine.
        for (asked, status) in [("127.0.0.1:1".to_owned(), 403), (format!("localhost:{port}"), 502)]
        {
            let mut other = TcpStream::connect(egress.address).await.unwrap();
            let head = format!("CONNECT {asked} HTTP/1.1\r\n\r\n");
            other.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            other.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{asked}: {answer}");
        }
    }

    #[test]
    fn a_name_means_no_service_of_the_machine() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.8.0.1", true),
            ("0.0.0.0", true),
            ("169.254.169.254", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("fe80::1", true),
            ("198.51.100.1", false),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_own(address.parse().unwrap()), expected, "{address}");
        }
    }
}
