//! Names and settings, without a registry.

use super::*;
use proptest::prelude::*;
use std::{fs, os::unix::fs::PermissionsExt as _};

fn parse(text: &str) -> Result<Reference, OciError> {
    text.parse()
}

#[test]
fn names_are_read_as_they_are_written() {
    let hex = "a".repeat(64);
    let full = format!("registry.example:5000/a/b-c__d.e:1.0_x@sha256:{hex}");
    let read = parse(&full).unwrap();
    assert_eq!(read.to_string(), full);
    assert_eq!(
        (read.host(), read.repository().to_string().as_str()),
        ("registry.example:5000", "a/b-c__d.e")
    );
    assert_eq!(read.tag().unwrap().to_string(), "1.0_x");
    assert_eq!(read.digest().unwrap().to_string(), hex);
    for text in ["localhost/a", "[::1]:5000/a:x", "127.0.0.1:1/a--b", "docker.io/library/alpine:3"]
    {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }
    assert_eq!(parse("Registry.Example/a").unwrap().host(), "registry.example");
    let json = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<Reference>(&json).unwrap(), read);
}

#[test]
fn names_that_are_none_say_what_to_write() {
    let hub = "docker.io/library/alpine:3";
    let cases = [
        ("alpine:3", hub),
        ("docker.io/alpine:3", hub),
        ("team/app", "docker.io/team/app"),
        ("", "names no registry"),
        ("https://registry.example/a", "://"),
        ("registry.example/A", "lower-case"),
        ("registry.example/", "lower-case"),
        ("registry.example/a//b", "lower-case"),
        ("registry.example/../b", "lower-case"),
        ("registry.example/a-", "lower-case"),
        ("registry.example/a..b", "lower-case"),
        ("registry.example/a___b", "lower-case"),
        ("registry.example/a:", "a tag is"),
        ("registry.example/a:.x", "a tag is"),
        ("registry.example/a:b/c", "a tag is"),
        ("registry.example/a@sha256:1234", "64 hexadecimal"),
        ("registry.example/a@md5:1234", "64 hexadecimal"),
        ("registry.example:0/a", "name:port"),
        ("registry.example:99999/a", "name:port"),
        ("registry.example:+1/a", "name:port"),
        ("user@registry.example/a", "64 hexadecimal"),
        ("-x.example/a", "name:port"),
        ("[::g]/a", "name:port"),
    ];
    for (text, part) in cases {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
        assert!(error.contains(&format!("{text:?}")), "{text:?}: {error}");
    }
    let upper = format!("registry.example/a@sha256:{}", "A".repeat(64));
    assert!(parse(&upper).is_err());
    assert!(parse(&format!("r.example/{}", "a".repeat(256))).is_err());
    assert!(parse(&format!("r.example/a:{}", "a".repeat(129))).is_err());
}

proptest! {
    #[test]
    fn what_is_read_is_written_the_same(text in r"[ -~]{0,40}|[a-z.:/@\[\]-]{0,40}") {
        if let Ok(read) = parse(&text) {
            prop_assert_eq!(parse(&read.to_string()).unwrap(), read);
        }
    }
}

#[test]
fn settings_are_few_and_fit_each_other() {
    let read: RegistryConfig = toml::from_str(r#"host = "registry.example:5000""#).unwrap();
    assert_eq!(read, RegistryConfig::new("registry.example:5000"));
    assert!(toml::from_str::<RegistryConfig>("host = \"a.b\"\npassword = \"x\"").is_err());
    let wrong = |change: &dyn Fn(&mut RegistryConfig), part: &str| {
        let mut config = RegistryConfig::new("registry.example");
        change(&mut config);
        let error = Registry::new(&config).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    wrong(&|it| it.host = "registry.example/a".to_owned(), "name:port");
    wrong(&|it| it.username = Some("mesh".to_owned()), "password_file is not");
    wrong(&|it| it.password_file = Some("/x".into()), "username is not");
    let both = |it: &mut RegistryConfig| {
        it.username = Some("mesh".to_owned());
        it.password_file = Some("/x".into());
        it.token_file = Some("/y".into());
    };
    wrong(&both, "either");
    wrong(&|it| it.requests_max = 0, "above 0");
    wrong(&|it| it.token_file = Some("/nowhere/token".into()), "/nowhere/token");
    let colon = |it: &mut RegistryConfig| {
        it.username = Some("a:b".to_owned());
        it.password_file = Some("/x".into());
    };
    wrong(&colon, "colon");
}

#[test]
fn secrets_are_one_line_of_a_file_for_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let write = |text: &[u8], mode: u32| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        secret::Secret::read(&path)
    };
    assert_eq!(write(b"open sesame\r\n", 0o600).unwrap().expose(), "open sesame");
    assert_eq!(format!("{:?}", write(b"open sesame", 0o400).unwrap()), "Secret");
    for (text, mode, part) in [
        (b"x".as_slice(), 0o640, "chmod 600"),
        (b"x".as_slice(), 0o604, "chmod 600"),
        (b"\n".as_slice(), 0o600, "one line"),
        (b"a\nb".as_slice(), 0o600, "one line"),
        (b"\xff".as_slice(), 0o600, "no text"),
        (&[b'x'; 20_000], 0o600, "longer"),
    ] {
        let error = write(text, mode).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
