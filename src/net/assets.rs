//! The client, embedded: files with their compressed forms, tags and caching, and the headers that keep pages safe.
//!
//! Owns what was built into the executable. Never touches the file system, so no path leads out of it.

use super::negotiation::{Coding, choose_coding, etag_matches};
use super::request::Head;
use super::response::Answer;
use super::routes::not_found;
use rust_embed::Embed;
use std::borrow::Cow;

/// What may be done to what is embedded.
pub const METHODS: &str = "GET, HEAD, OPTIONS";

const INDEX: &str = "index.html";
/// Files below it have a hash of their content in their name, so they never change.
const HASHED: &str = "assets/";
/// Below it everything is the client's: a room's name may look like a file's.
const ROOMS: &str = "room";

/// Nothing from elsewhere, no inline script, no inline style, no framing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; \
    media-src 'self' blob: data:; worker-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";
const PERMISSIONS_POLICY: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

#[derive(Embed)]
#[folder = "$OUT_DIR/client"]
struct Client;

/// A file as it is embedded.
struct File {
    data: Cow<'static, [u8]>,
    sha256: [u8; 32],
}

fn embedded(path: &str) -> Option<File> {
    let file = Client::get(path)?;
    Some(File {
        sha256: file.metadata.sha256_hash(),
        data: file.data,
    })
}

/// Answers `GET` or `HEAD` for a path that is no endpoint.
pub fn answer(head: &Head, segments: &[String]) -> Answer {
    let Some(path) = file_for(segments, |path| embedded(path).is_some()) else {
        return Answer::error(&not_found());
    };
    represent(head, &path, embedded)
}

/// The embedded file that a path shows: itself, or the page for everything that looks like a place in the client.
fn file_for(segments: &[String], exists: impl Fn(&str) -> bool) -> Option<String> {
    let Some(last) = segments.last() else {
        return Some(INDEX.to_owned());
    };
    let path = segments.join("/");
    let plain = segments.iter().all(|segment| !segment.contains('/'));
    if plain && !is_compressed_form(&path) && exists(&path) {
        return Some(path);
    }
    let deep_link = segments[0] == ROOMS || !last.contains('.');
    deep_link.then(|| INDEX.to_owned())
}

/// Compressed forms are chosen by negotiation, never by name.
fn is_compressed_form(path: &str) -> bool {
    [Coding::Brotli, Coding::Gzip]
        .iter()
        .any(|coding| path.ends_with(coding.suffix()))
}

/// `path` exists in its plain form; its others are beside it.
fn represent(head: &Head, path: &str, file: impl Fn(&str) -> Option<File>) -> Answer {
    let form = |coding: Coding| file(&format!("{path}{}", coding.suffix()));
    let coding = choose_coding(accepted_codings(head).as_deref(), |coding| {
        form(coding).is_some()
    });
    let Some(file) = form(coding) else {
        return Answer::error(&not_found());
    };
    let etag = etag(&file.sha256);
    let known = head
        .values("If-None-Match")
        .any(|tags| etag_matches(tags, &etag));
    let mut answer = match known {
        true => Answer::not_modified(file.data.len()),
        false => Answer::bytes(200, file.data).with("Content-Type", content_type(path)),
    };
    answer.set("ETag", &etag);
    answer.set("Vary", "Accept-Encoding");
    answer.set("Cache-Control", caching(path));
    if let Some(name) = coding.name().filter(|_| !known) {
        answer.set("Content-Encoding", name);
    }
    if path.ends_with(".html") {
        secure_page(&mut answer);
    }
    answer
}

/// Several headers of one name are one list (RFC 9110, section 5.2).
fn accepted_codings(head: &Head) -> Option<String> {
    let values: Vec<&str> = head.values("Accept-Encoding").collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Of this form's own bytes, so that no two forms share one.
fn etag(sha256: &[u8; 32]) -> String {
    let hex: String = sha256[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}

fn caching(path: &str) -> &'static str {
    if path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

fn content_type(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

fn secure_page(answer: &mut Answer) {
    answer.set("Content-Security-Policy", CONTENT_SECURITY_POLICY);
    answer.set("Referrer-Policy", "no-referrer");
    answer.set("X-Frame-Options", "DENY");
    answer.set("Cross-Origin-Opener-Policy", "same-origin");
    answer.set("Permissions-Policy", PERMISSIONS_POLICY);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::request::parse_head;

    /// A client of a few files, the script with both compressed forms.
    fn stub(path: &str) -> Option<File> {
        let data: &'static [u8] = match path {
            "index.html" => b"<!doctype html>",
            "assets/app-1a2b.js" => b"plain",
            "assets/app-1a2b.js.br" => b"brotli",
            "assets/app-1a2b.js.gz" => b"gzip",
            "favicon.svg" => b"<svg/>",
            "LICENSE" => b"words",
            _ => return None,
        };
        // Any hash will do that tells the forms apart.
        let mut sha256 = [0; 32];
        sha256[..data.len()].copy_from_slice(data);
        Some(File {
            data: data.into(),
            sha256,
        })
    }

    fn get(path: &str, headers: &str) -> Answer {
        let head =
            parse_head(format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes()).unwrap();
        represent(&head, path, stub)
    }

    fn shown(path: &str) -> Option<String> {
        let segments = crate::net::path::Target::parse(path).unwrap().segments;
        file_for(&segments, |path| stub(path).is_some())
    }

    #[test]
    fn paths_show_files_or_the_page_or_nothing() {
        for (path, file) in [
            ("/", Some("index.html")),
            ("/index.html", Some("index.html")),
            ("/favicon.svg", Some("favicon.svg")),
            ("/assets/app-1a2b.js", Some("assets/app-1a2b.js")),
            ("/LICENSE", Some("LICENSE")),
            ("/room/general", Some("index.html")),
            ("/room/general/17", Some("index.html")),
            ("/room/v1.2", Some("index.html")),
            ("/room/a%2Fb.js", Some("index.html")),
            ("/settings", Some("index.html")),
            ("/assets/app-1a2b.js.br", None),
            ("/assets/app-1a2b.js.gz", None),
            ("/assets%2Fapp-1a2b.js", None),
            ("/missing.js", None),
            ("/assets/old.js", None),
            ("/..%2F..%2Fetc%2Fpasswd.d", None),
            ("/%2e%2e/secret", Some("index.html")),
            ("/.env", None),
        ] {
            assert_eq!(shown(path).as_deref(), file, "{path}");
        }
    }

    #[test]
    fn each_form_has_its_own_tag_and_says_what_it_is() {
        let path = "assets/app-1a2b.js";
        let mut tags = std::collections::HashSet::new();
        for (accepted, encoding) in [("br, gzip", Some("br")), ("gzip", Some("gzip")), ("", None)] {
            let headers = format!("Accept-Encoding: {accepted}\r\n");
            let answer = get(path, &headers);
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.value("Content-Encoding"), encoding);
            assert_eq!(answer.value("Vary"), Some("Accept-Encoding"));
            assert_eq!(
                answer.value("Content-Type"),
                Some("text/javascript; charset=utf-8")
            );
            assert_eq!(
                answer.value("Cache-Control"),
                Some("public, max-age=31536000, immutable")
            );
            let etag = answer.value("ETag").unwrap().to_owned();
            let again = get(path, &format!("{headers}If-None-Match: {etag}\r\n"));
            assert_eq!(
                (again.status(), again.value("ETag")),
                (304, Some(etag.as_str()))
            );
            assert!(tags.insert(etag));
        }
    }

    #[test]
    fn pages_are_safe_and_asked_for_again() {
        let answer = get("index.html", "");
        assert_eq!(
            answer.value("Content-Security-Policy"),
            Some(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; media-src 'self' blob: data:; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            )
        );
        assert_eq!(answer.value("Cache-Control"), Some("no-cache"));
        assert_eq!(answer.value("X-Frame-Options"), Some("DENY"));
        assert_eq!(answer.value("X-Content-Type-Options"), Some("nosniff"));
    }

    #[test]
    fn the_embedded_client_has_a_page() {
        assert!(embedded(INDEX).is_some());
    }
}
