//! An application in a container, as the authors' sample applications speak: it reads pieces of
//! 4,096 bytes until it has one JSON object, answers one object, and closes. Beside, it does
//! everything that an application should not, when its data says so. The standard library alone.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

/// The end of the object in `text`, and its top-level members as they are written.
fn object(text: &str) -> Option<BTreeMap<String, String>> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let (mut start, mut key, mut members) = (0, None, BTreeMap::new());
    for (at, sign) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if quoted && sign == '\\' {
            escaped = true;
        } else if sign == '"' {
            quoted = !quoted;
        } else if !quoted {
            match sign {
                '{' | '[' => {
                    depth += 1;
                    if depth == 1 {
                        start = at + 1;
                    }
                }
                ':' if depth == 1 => {
                    key = Some(text[start..at].trim().trim_matches('"').to_owned());
                    start = at + 1;
                }
                ',' | '}' | ']' if depth == 1 => {
                    if let Some(key) = key.take() {
                        members.insert(key, text[start..at].trim().to_owned());
                    }
                    start = at + 1;
                    if sign == '}' {
                        return Some(members);
                    }
                }
                '}' | ']' => depth -= 1,
                _ => {}
            }
        }
    }
    None
}

fn status(field: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().last().unwrap_or_default().to_owned()
}

fn words(result: std::io::Result<()>) -> String {
    result.map_or_else(|error| error.kind().to_string(), |()| "done".to_owned())
}

/// Does what the data says; the answer, or nothing.
fn act(data: &str, stream: &mut TcpStream) -> Option<String> {
    let how = data.trim_matches(|c| "[]\"".contains(c));
    let (verb, rest) = how.split_once(' ').unwrap_or((how, ""));
    let said = match verb {
        "silent" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        "garbage" => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            return None;
        }
        "half" => {
            let _ = stream.write_all(b"{\"data\": [1, 2");
            return None;
        }
        "endless" => {
            let _ = stream.write_all(b"{\"data\": \"");
            while stream.write_all(&[b'x'; 65_536]).is_ok() {}
            return None;
        }
        "eat" => {
            let mut held: Vec<Vec<u8>> = Vec::new();
            loop {
                held.push(vec![1; 1 << 20]);
            }
        }
        "fork" => {
            let begun = (0..10_000)
                .take_while(|_| {
                    let sleeper = || std::thread::sleep(Duration::from_secs(30));
                    std::thread::Builder::new().stack_size(65_536).spawn(sleeper).is_ok()
                })
                .count();
            begun.to_string()
        }
        "exit" => {
            eprintln!("told to exit");
            std::process::exit(7)
        }
        "exit-once" => {
            // Its next life finds no such file: /tmp is new.
            let _ = std::fs::write("/tmp/lived", "x");
            std::process::exit(3)
        }
        "write" => {
            let root = words(std::fs::write("/written", "x"));
            let tmp = words(std::fs::write("/tmp/written", "x"));
            let much = words(std::fs::write("/tmp/much", vec![1; 64 << 20]));
            format!("root: {root}; tmp: {tmp}; much: {much}")
        }
        "connect" => {
            let address = rest.parse().ok()?;
            words(TcpStream::connect_timeout(&address, Duration::from_secs(2)).map(drop))
        }
        "proxy" => {
            let proxy = std::env::var("HTTPS_PROXY").unwrap_or_default();
            let mut way = TcpStream::connect(proxy.trim_start_matches("http://")).ok()?;
            way.write_all(format!("CONNECT {rest} HTTP/1.1\r\n\r\n").as_bytes()).ok()?;
            let mut answer = [0; 12];
            way.read_exact(&mut answer).ok()?;
            String::from_utf8_lossy(&answer).into_owned()
        }
        "privileges" => {
            let own = words(std::os::unix::fs::chown("/tmp", Some(1), Some(1)));
            format!("caps {} new {} chown {own}", status("CapEff"), status("NoNewPrivs"))
        }
        "env" => std::env::var(rest).unwrap_or_else(|_| "unset".to_owned()),
        "sleep" => {
            std::thread::sleep(Duration::from_millis(rest.parse().ok()?));
            "slept".to_owned()
        }
        "fail" => return Some("{\"error\": \"as told\"}".to_owned()),
        _ => return Some(format!("{{\"data\": {data}, \"total_task_time\": 0.5}}")),
    };
    Some(format!("{{\"data\": [\"{said}\"], \"total_task_time\": 0.5}}"))
}

fn serve(mut stream: TcpStream) {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => text.extend_from_slice(&buffer[..read]),
        }
        if let Some(members) = std::str::from_utf8(&text).ok().and_then(object) {
            let answer = members.get("data").map(String::as_str).unwrap_or("null");
            if let Some(answer) = act(answer, &mut stream) {
                let _ = stream.write_all(answer.as_bytes());
            }
            return;
        }
    }
}

fn main() {
    println!("begins");
    match std::env::var("MODE").as_deref() {
        Ok("exit") => {
            eprintln!("can't begin");
            std::process::exit(9);
        }
        Ok("deaf") => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        Ok("slow") => std::thread::sleep(Duration::from_secs(2)),
        _ => {}
    }
    let listener = TcpListener::bind("0.0.0.0:12345").expect("a port");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || serve(stream));
    }
}
