//! What went wrong between this node and others, in words for operators: logs and the operator's listener show them.
//!
//! Nothing of what the library knows is left out but the names of its types.

use pingora_error::{BError, Error, ErrorSource, ErrorType};

/// Who failed, at what, and every detail known, from the outermost to the cause.
#[must_use]
pub fn plainly(error: &Error) -> String {
    let who = match error.esource() {
        ErrorSource::Upstream => "origin: ",
        ErrorSource::Downstream => "client: ",
        ErrorSource::Internal | ErrorSource::Unset => "",
    };
    let mut words = format!("{who}{}", of_type(error.etype()));
    let mut last = error.etype();
    let mut at = error;
    loop {
        add(&mut words, at.context.as_ref().map(|context| context.as_str()).unwrap_or_default());
        let Some(cause) = &at.cause else { return words };
        let Some(inner) = cause.downcast_ref::<BError>() else {
            add(&mut words, &cause.to_string());
            return words;
        };
        if inner.etype() != last {
            add(&mut words, of_type(inner.etype()));
            last = inner.etype();
        }
        at = inner;
    }
}

/// What a detail may say. Longer ones are not words of the library, but of a peer.
const LONGEST_DETAIL: usize = 256;

/// The library quotes bytes of messages behind these: other people's secrets and content, which are nothing for logs.
const QUOTES: [&str; 2] = ["buf:", "buf "];

fn add(words: &mut String, detail: &str) {
    let cut = |said, quote| str::split_once(said, quote).map_or(said, |(said, _)| said);
    let said = QUOTES.into_iter().fold(detail, cut).trim().trim_end_matches([',', ':']);
    if !said.is_empty() {
        words.push_str(": ");
        words.extend(said.chars().filter(|character| !character.is_control()).take(LONGEST_DETAIL));
    }
}

fn of_type(kind: &ErrorType) -> &'static str {
    match kind {
        ErrorType::ConnectRefused => "connection refused",
        ErrorType::ConnectTimedout => "no connection in time",
        ErrorType::ConnectNoRoute => "no route there",
        ErrorType::ConnectError | ErrorType::SocketError => "no connection",
        ErrorType::TLSHandshakeFailure | ErrorType::HandshakeError => "TLS handshake failed",
        ErrorType::TLSHandshakeTimedout => "TLS handshake not done in time",
        ErrorType::InvalidCert => "certificate not accepted",
        ErrorType::InvalidHTTPHeader => "header section not valid",
        ErrorType::H1Error => "HTTP/1.1 not spoken properly",
        ErrorType::H2Error | ErrorType::InvalidH2 | ErrorType::H2Downgrade => "HTTP/2 not spoken properly",
        ErrorType::ReadError => "reading broke off",
        ErrorType::WriteError => "writing broke off",
        ErrorType::ReadTimedout => "nothing came in time",
        ErrorType::WriteTimedout => "nothing was taken in time",
        ErrorType::ConnectionClosed => "connection closed",
        ErrorType::HTTPStatus(_) => "answered with an error",
        ErrorType::InternalError | ErrorType::UnknownError => "failed here",
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[track_caller]
    fn check(error: BError, expected: &str) {
        assert_eq!(plainly(&error), expected);
    }

    #[test]
    fn errors_say_who_failed_at_what_and_all_details() {
        let refused = io::Error::from_raw_os_error(111);
        check(
            Error::because(ErrorType::ConnectRefused, "127.0.0.1:7198", refused).into_up(),
            "origin: connection refused: 127.0.0.1:7198: Connection refused (os error 111)",
        );
        let reset = Error::because(ErrorType::ReadError, "while reading the head", io::Error::other("reset"));
        check(
            Error::because(ErrorType::ReadError, "peer addr: 127.0.0.1:7198", reset).into_up(),
            "origin: reading broke off: peer addr: 127.0.0.1:7198: while reading the head: reset",
        );
        let silent = Error::new(ErrorType::ReadTimedout);
        check(
            Error::because(ErrorType::H2Error, "", silent).into_down(),
            "client: HTTP/2 not spoken properly: nothing came in time",
        );
        check(Error::explain(ErrorType::new("LoopDetected"), "twice"), "LoopDetected: twice");
    }

    #[test]
    fn what_a_peer_sent_is_never_said() {
        let bytes = "buf: HTTP/1.1 200 OK\\r\\nSet-Cookie: secret";
        let cause = || io::Error::other("invalid header name");
        check(
            Error::because(ErrorType::InvalidHTTPHeader, bytes, cause()).into_up(),
            "origin: header section not valid: invalid header name",
        );
        check(
            Error::because(ErrorType::InvalidHTTPHeader, "invalid size, existing 3, buf: [83, 101]", cause()),
            "header section not valid: invalid size, existing 3: invalid header name",
        );
        let long = plainly(&Error::explain(ErrorType::H1Error, "x\n".repeat(9_000)));
        assert!(long.len() < 400 && !long.contains('\n'), "{long}");
    }
}
