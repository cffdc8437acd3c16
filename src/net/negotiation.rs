//! Choosing among representations of one thing: content codings and entity tags (RFC 9110, sections 12.5.3 and 13.1.2).
//!
//! Owns the reading of `Accept-Encoding` and `If-None-Match`. Pure.

/// A content coding that assets are embedded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Coding {
    /// All there are, the smallest result first.
    pub const ALL: [Coding; 3] = [Coding::Brotli, Coding::Gzip, Coding::Identity];

    /// What the name of an embedded file ends with.
    pub fn suffix(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Gzip => ".gz",
            Coding::Identity => "",
        }
    }

    /// The value of `Content-Encoding`; none for identity.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Coding::Brotli => Some("br"),
            Coding::Gzip => Some("gzip"),
            Coding::Identity => None,
        }
    }

    fn is_named(self, name: &str) -> bool {
        match self {
            Coding::Brotli => name.eq_ignore_ascii_case("br"),
            Coding::Gzip => {
                name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip")
            }
            Coding::Identity => name.eq_ignore_ascii_case("identity"),
        }
    }
}

/// The coding that the client likes best of those that are `available`, the smaller of equals.
///
/// Where none is acceptable it gets identity all the same: something readable serves better than an error.
pub fn choose_coding(accept_encoding: Option<&str>, available: impl Fn(Coding) -> bool) -> Coding {
    let Some(accepted) = accept_encoding else {
        return Coding::Identity;
    };
    let mut best = (Coding::Identity, 0);
    for coding in Coding::ALL {
        let quality = quality(accepted, coding);
        if quality > best.1 && available(coding) {
            best = (coding, quality);
        }
    }
    best.0
}

/// In thousandths. Identity is acceptable unless excluded, and comes last where it is not named.
fn quality(accepted: &str, coding: Coding) -> u16 {
    let mut any = None;
    for element in accepted.split(',') {
        let mut parts = element.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let quality = parts.find_map(parse_quality).unwrap_or(1_000);
        if coding.is_named(name) {
            return quality;
        }
        if name == "*" {
            any = Some(quality);
        }
    }
    match (coding, any) {
        (Coding::Identity, Some(0)) => 0,
        (Coding::Identity, _) => 1,
        (_, any) => any.unwrap_or(0),
    }
}

/// The value of a `q` parameter; one that is malformed counts as 0.
fn parse_quality(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let quality: f32 = value.trim().parse().unwrap_or(0.0);
    // Whatever a float may be, the cast saturates, and what is no number becomes 0.
    Some((quality.clamp(0.0, 1.0) * 1_000.0) as u16)
}

/// Whether a value of `If-None-Match` names `etag`, which is strong and has its quotes. The comparison is weak, as
/// section 13.1.2 says.
pub fn etag_matches(if_none_match: &str, etag: &str) -> bool {
    let mut rest = if_none_match.trim();
    if rest == "*" {
        return true;
    }
    while !rest.is_empty() {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let tag = rest.strip_prefix("W/").unwrap_or(rest);
        // A tag may have commas inside its quotes. Some clients forget the quotes.
        let end = match tag.strip_prefix('"') {
            Some(inside) => inside.find('"').map_or(tag.len(), |at| at + 2),
            None => tag.find(',').unwrap_or(tag.len()),
        };
        if &tag[..end] == etag {
            return true;
        }
        rest = &tag[end..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::*;

    #[test]
    fn the_best_acceptable_coding_is_chosen() {
        let table: &[(Option<&str>, Coding)] = &[
            (None, Identity),
            (Some(""), Identity),
            (Some("gzip, deflate, br, zstd"), Brotli),
            (Some("gzip, deflate"), Gzip),
            (Some("x-gzip"), Gzip),
            (Some("GZIP;q=1.0, BR;q=0.5"), Gzip),
            (Some("gzip ; q=0.2 , br ; Q=0.3"), Brotli),
            (Some("br;q=0, gzip;q=0"), Identity),
            (Some("br;q=0"), Identity),
            (Some("br;q=0.001"), Brotli),
            (Some("br;q=0.000, *"), Gzip),
            (Some("*"), Brotli),
            (Some("*;q=0"), Identity),
            (Some("identity"), Identity),
            (Some("identity;q=1, br;q=0.5"), Identity),
            (Some("identity;q=0, gzip"), Gzip),
            (Some("identity;q=0, *;q=0"), Identity),
            (Some("deflate"), Identity),
            (Some("br;q=x, gzip;q=0.1"), Gzip),
            (Some("br;q=nan, gzip;q=0.1"), Gzip),
            (Some("br;q=5"), Brotli),
            (Some(",,;,br"), Brotli),
        ];
        for (accepted, coding) in table {
            assert_eq!(choose_coding(*accepted, |_| true), *coding, "{accepted:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_chosen() {
        let without_brotli = |coding| coding != Brotli;
        assert_eq!(choose_coding(Some("br, gzip"), without_brotli), Gzip);
        let plain = |coding| coding == Identity;
        assert_eq!(choose_coding(Some("br, gzip"), plain), Identity);
        assert_eq!(choose_coding(Some("br, identity;q=0"), plain), Identity);
    }

    #[test]
    fn entity_tags_match_in_lists_and_weakly() {
        for (tags, expected) in [
            (r#""a""#, true),
            (r#"W/"a""#, true),
            ("*", true),
            (" * ", true),
            (r#""b", "a""#, true),
            (r#""b","x,y",W/"a""#, true),
            (r#""b""#, false),
            (r#""a"#, false),
            ("a", false),
            (r#""b, "a""#, false),
            ("", false),
            (",,", false),
            (r#""*""#, false),
        ] {
            assert_eq!(etag_matches(tags, r#""a""#), expected, "{tags}");
        }
    }
}
