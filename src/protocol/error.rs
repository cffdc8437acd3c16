//! Errors as clients see them: one code each, one HTTP status each.

use serde::Serialize;
use std::time::Duration;

/// The stable words of the contract, section 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    BadJson,
    BadRequest,
    BadName,
    BadPassword,
    BadContent,
    Unauthorized,
    Forbidden,
    RegistrationClosed,
    BadOrigin,
    NotFound,
    UserNotFound,
    RoomNotFound,
    MethodNotAllowed,
    RequestTimeout,
    LengthRequired,
    TooLarge,
    /// 414: the request's target alone is longer than a head may be.
    UriTooLong,
    /// 431: the head or the number of its headers.
    HeadTooLarge,
    /// 417: an `Expect` other than `100-continue`.
    ExpectationFailed,
    /// 505: neither HTTP/1.0 nor HTTP/1.1.
    VersionNotSupported,
    UserExists,
    RoomExists,
    AlreadyMember,
    RateLimited,
    Overloaded,
    StorageFailed,
    Internal,
}

impl Code {
    /// The HTTP status that carries this code.
    pub fn status(self) -> u16 {
        match self {
            Code::BadJson
            | Code::BadRequest
            | Code::BadName
            | Code::BadPassword
            | Code::BadContent => 400,
            Code::Unauthorized => 401,
            Code::Forbidden | Code::RegistrationClosed | Code::BadOrigin => 403,
            Code::NotFound | Code::UserNotFound | Code::RoomNotFound => 404,
            Code::MethodNotAllowed => 405,
            Code::RequestTimeout => 408,
            Code::UserExists | Code::RoomExists | Code::AlreadyMember => 409,
            Code::LengthRequired => 411,
            Code::TooLarge => 413,
            Code::UriTooLong => 414,
            Code::ExpectationFailed => 417,
            Code::RateLimited => 429,
            Code::HeadTooLarge => 431,
            Code::Internal => 500,
            Code::Overloaded | Code::StorageFailed => 503,
            Code::VersionNotSupported => 505,
        }
    }

    /// The word on the wire. 408, 414 and 431 are told apart by their status; their word says what to do.
    pub fn word(self) -> &'static str {
        match self {
            Code::BadJson => "bad_json",
            Code::BadRequest | Code::ExpectationFailed | Code::VersionNotSupported => "bad_request",
            Code::BadName => "bad_name",
            Code::BadPassword => "bad_password",
            Code::BadContent => "bad_content",
            Code::Unauthorized => "unauthorized",
            Code::Forbidden => "forbidden",
            Code::RegistrationClosed => "registration_closed",
            Code::BadOrigin => "bad_origin",
            Code::NotFound => "not_found",
            Code::UserNotFound => "user_not_found",
            Code::RoomNotFound => "room_not_found",
            Code::MethodNotAllowed => "method_not_allowed",
            Code::RequestTimeout => "request_timeout",
            Code::LengthRequired => "length_required",
            Code::TooLarge | Code::UriTooLong | Code::HeadTooLarge => "too_large",
            Code::UserExists => "user_exists",
            Code::RoomExists => "room_exists",
            Code::AlreadyMember => "already_member",
            Code::RateLimited => "rate_limited",
            Code::Overloaded => "overloaded",
            Code::StorageFailed => "storage_failed",
            Code::Internal => "internal",
        }
    }
}

/// What a client is told when something does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub code: Code,
    /// A sentence that tells a person what to do.
    pub message: String,
    /// With [`Code::RateLimited`]: when to try again.
    pub retry_after: Option<Duration>,
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error {
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    /// `wait` is told in milliseconds, rounded up, and never 0.
    pub fn rate_limited(message: impl Into<String>, wait: Duration) -> Error {
        Error {
            code: Code::RateLimited,
            message: message.into(),
            retry_after: Some(wait),
        }
    }

    /// `retry_after` in milliseconds, rounded up, at least 1.
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.retry_after
            .map(|wait| (wait.as_nanos().div_ceil(1_000_000) as u64).max(1))
    }

    /// `{"code", "message", "retry_after_ms"?}`.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            code: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            retry_after_ms: Option<u64>,
        }
        serde_json::to_vec(&Body {
            code: self.code.word(),
            message: &self.message,
            retry_after_ms: self.retry_after_ms(),
        })
        .expect("strings and numbers always serialise")
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.word(), self.message)
    }
}

impl std::error::Error for Error {}
