//! The embedded client: how it is served, and that nothing else is.

mod common;

use common::*;

/// The values of `src` and `href` in a page.
fn references(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in ["src=\"", "href=\""] {
        for rest in page.split(attribute).skip(1) {
            found.push(rest.split('"').next().unwrap().to_owned());
        }
    }
    found
}

fn index(server: &Server) -> Response {
    let index = server.get("/").send();
    assert_eq!(index.status, 200);
    index
}

/// Scripts and styles with a hash in their names, by way of the page.
fn hashed(server: &Server) -> Vec<String> {
    let page = index(server);
    let hashed: Vec<String> = references(page.text())
        .into_iter()
        .filter(|reference| {
            (reference.ends_with(".js") || reference.ends_with(".css"))
                && reference.contains("/assets/")
        })
        .collect();
    assert!(!hashed.is_empty(), "{}", page.text());
    hashed
}

#[test]
fn the_page_is_html_and_trusts_nothing_from_elsewhere() {
    let server = shared();
    let page = index(&server);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(
        page.text()
            .to_ascii_lowercase()
            .starts_with("<!doctype html>")
    );
    let policy = page
        .header("content-security-policy")
        .expect("a policy")
        .to_owned();
    assert!(
        !policy.contains("unsafe-inline") || !script_sources(&policy).contains("unsafe-inline"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe-eval"), "{policy}");
    assert!(!script_sources(&policy).contains('*'), "{policy}");
    for scheme in ["http:", "https:", "*"] {
        assert!(
            !policy.split([' ', ';']).any(|source| source == scheme),
            "{policy}"
        );
    }
    let default = directive(&policy, "default-src").expect("a default");
    assert!(default == "'self'" || default == "'none'", "{policy}");
    for script in page.text().split("<script").skip(1) {
        let (attributes, rest) = script.split_once('>').unwrap();
        assert!(
            attributes.contains("src="),
            "no inline script: {attributes}"
        );
        assert!(rest.starts_with("</script>"), "no inline script: {rest}");
    }
    for reference in references(page.text()) {
        assert!(
            !reference.contains("//") && !reference.starts_with("data:text"),
            "{reference}"
        );
    }
    assert!(!page.text().contains(" onload=") && !page.text().contains("javascript:"));
}

fn directive<'a>(policy: &'a str, name: &str) -> Option<&'a str> {
    policy
        .split(';')
        .find_map(|part| part.trim().strip_prefix(name).map(str::trim))
}

fn script_sources(policy: &str) -> &str {
    directive(policy, "script-src")
        .or_else(|| directive(policy, "default-src"))
        .unwrap_or("*")
}

#[test]
fn everything_that_the_page_names_is_there() {
    let server = shared();
    let page = index(&server);
    for reference in references(page.text()) {
        let path = format!(
            "/{}",
            reference.trim_start_matches("./").trim_start_matches('/')
        );
        let answer = server.get(&path).send();
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.is_empty(), "{path}");
        let kind = answer
            .header("content-type")
            .unwrap_or_else(|| panic!("{path} has a type"));
        let expected = match path.rsplit('.').next().unwrap() {
            "js" => "text/javascript",
            "css" => "text/css",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "webmanifest" => "application/manifest+json",
            "woff2" => "font/woff2",
            _ => "",
        };
        assert!(kind.starts_with(expected), "{path}: {kind}");
    }
}

#[test]
fn hashed_assets_are_immutable_and_the_page_is_not() {
    let server = shared();
    for path in hashed(&server) {
        let answer = server.get(&path).send();
        let caching = answer.header("cache-control").expect("caching is told");
        assert!(
            caching.contains("immutable") && caching.contains("max-age="),
            "{path}: {caching}"
        );
        assert!(answer.header("etag").is_some(), "{path}");
    }
    for path in ["/", "/room/general"] {
        let answer = server.get(path).send();
        assert!(
            !answer
                .header("cache-control")
                .unwrap_or_default()
                .contains("immutable"),
            "{path}"
        );
    }
}

#[test]
fn etags_save_the_body() {
    let server = shared();
    let mut paths = hashed(&server);
    paths.push("/".to_owned());
    for path in paths {
        let whole = server.get(&path).send();
        let tag = whole.header("etag").expect("an ETag").to_owned();
        let again = server.get(&path).header("If-None-Match", &tag).send();
        assert_eq!(again.status, 304, "{path}");
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        let other = server
            .get(&path)
            .header("If-None-Match", "\"another\"")
            .send();
        assert_eq!(other.status, 200);
        assert_eq!(other.body, whole.body);
    }
}

#[test]
fn compressed_forms_are_served_where_accepted() {
    let server = shared();
    for path in hashed(&server) {
        let accepting = |accepted: &str| {
            let answer = server.get(&path).header("Accept-Encoding", accepted).send();
            assert_eq!(answer.status, 200);
            answer
        };
        let plain = server.get(&path).send();
        assert_eq!(plain.header("content-encoding"), None);
        assert!(
            plain
                .header("vary")
                .is_some_and(|v| v.to_ascii_lowercase().contains("accept-encoding"))
        );
        if plain.body.len() < 1_000 {
            continue;
        }
        let gzip = accepting("gzip");
        assert_eq!(gzip.header("content-encoding"), Some("gzip"), "{path}");
        assert_eq!(gzip.body[..2], [0x1f, 0x8b]);
        // RFC 1952, section 2.3.1: the trailer holds the checksum and the length of what is inside.
        let trailer = &gzip.body[gzip.body.len() - 8..];
        assert_eq!(trailer[..4], crc32fast::hash(&plain.body).to_le_bytes());
        assert_eq!(trailer[4..], (plain.body.len() as u32).to_le_bytes());
        let brotli = accepting("gzip, deflate, br");
        assert_eq!(brotli.header("content-encoding"), Some("br"), "{path}");
        assert!(brotli.body.len() < plain.body.len() && brotli.body != gzip.body);
        assert_ne!(
            brotli.header("etag"),
            gzip.header("etag"),
            "another form is another entity"
        );
        assert_eq!(
            accepting("br;q=0, gzip").header("content-encoding"),
            Some("gzip")
        );
        for none in [
            "identity",
            "deflate",
            "gzip;q=0, br;q=0",
            "*;q=0, identity",
            "",
        ] {
            let answer = accepting(none);
            assert_eq!(answer.header("content-encoding"), None, "{none:?}");
            assert_eq!(answer.body, plain.body);
        }
    }
}

#[test]
fn deep_links_answer_the_page() {
    let server = shared();
    let page = index(&server);
    for path in [
        "/room/general",
        "/room/general/42",
        "/room/my%20room",
        "/settings",
        "/a/b/c/d?x=y",
        "/index.html",
    ] {
        let answer = server.get(path).send();
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body, page.body, "{path}");
        assert!(answer.header("content-security-policy").is_some(), "{path}");
    }
}

#[test]
fn files_that_are_not_there_are_not_found() {
    let server = shared();
    for path in [
        "/nothing.js",
        "/assets/nothing.css",
        "/favicon.nothing",
        "/a/b.png",
        "/assets/index.js.map.x",
    ] {
        server.get(path).send().refused(404, "not_found");
    }
}

#[test]
fn paths_lead_nowhere_else() {
    let server = shared();
    let page = index(&server).body;
    let secret = std::fs::read_dir(&server.data)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .collect::<Vec<_>>();
    assert!(!secret.is_empty());
    let mut paths = vec![
        "/../../../../../../etc/passwd".to_owned(),
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd".to_owned(),
        "/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd".to_owned(),
        "/assets/..%5c..%5c..%5cetc%5cpasswd".to_owned(),
        "//etc/passwd".to_owned(),
        "/etc/passwd%00.html".to_owned(),
        format!("/{}", encode("/etc/passwd")),
        "/src/main.rs".to_owned(),
        "/Cargo.toml".to_owned(),
    ];
    for name in secret {
        paths.push(format!("/{name}"));
        paths.push(format!("/data/{name}"));
        paths.push(format!("/../data/{name}"));
        paths.push(format!("/assets/%2e%2e/%2e%2e/data/{name}"));
    }
    for path in paths {
        let answer = server.get(&path).send();
        match answer.status {
            200 => assert_eq!(answer.body, page, "{path}"),
            400 | 404 => {}
            status => panic!("{path}: {status}"),
        }
    }
}
