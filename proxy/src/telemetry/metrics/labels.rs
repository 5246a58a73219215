//! The closed sets that label values come from. Each has an `ALL` in the order of its discriminants, so that a value
//! can index an array of handles.

use http::StatusCode;

macro_rules! label_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$variant,)+];
            /// How many there are.
            pub const COUNT: usize = [$($label,)+].len();

            /// Its name in metrics and logs.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }
        }
    };
}

label_set!(
    /// Class of a status code (RFC 9110 section 15).
    StatusClass {
        /// 100 to 199.
        Informational => "1xx",
        /// 200 to 299.
        Success => "2xx",
        /// 300 to 399.
        Redirection => "3xx",
        /// 400 to 499.
        ClientError => "4xx",
        /// 500 and above.
        ServerError => "5xx",
    }
);

impl From<StatusCode> for StatusClass {
    fn from(status: StatusCode) -> Self {
        match status.as_u16() {
            ..200 => Self::Informational,
            200..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }
}

label_set!(
    /// How the cache answered a request.
    CacheOutcome {
        /// From a fresh stored object.
        Hit => "hit",
        /// By a fill that this request started.
        Miss => "miss",
        /// By a fill that another request had started.
        Collapsed => "collapsed",
        /// From a stored object past its freshness.
        Stale => "stale",
        /// From a stored object that the origin confirmed.
        Revalidated => "revalidated",
        /// By the origin, as the request or the policy rules the cache out.
        Pass => "pass",
        /// The cache was not asked: redirects, refusals, health checks.
        None => "none",
    }
);

label_set!(
    /// Why a request that the cache saw was not answered from store.
    MissReason {
        /// Nothing is stored.
        UriMiss => "uri_miss",
        /// Only other variants are.
        VaryMiss => "vary_miss",
        /// What is stored is stale, or needs validation each time.
        Stale => "stale",
        /// The client wanted better than what is stored.
        Request => "request",
        /// Not all of what was asked for is there.
        Partial => "partial",
        /// The route's policy stores nothing.
        Disabled => "disabled",
        /// Another method than GET and HEAD, a body, or another protocol.
        Method => "method",
        /// The client said `no-store`.
        RequestNoStore => "request_no_store",
        /// It carries Authorization.
        Authorization => "authorization",
        /// A HEAD of what is not stored.
        Head => "head",
        /// The target is another spelling of what is stored or not.
        OtherSpelling => "other_spelling",
        /// The response may not be shared.
        Unshareable => "unshareable",
        /// The object is too large to be stored.
        Oversize => "oversize",
        /// The fill it found could not be read from the start any more.
        Late => "late",
        /// The client wants only what is stored, and nothing is.
        OnlyIfCached => "only_if_cached",
        /// No response could be had.
        Failed => "failed",
    }
);

label_set!(
    /// What a look-up of an origin's name found.
    LookupOutcome {
        /// Addresses.
        Found => "found",
        /// That there are none.
        Nothing => "nothing",
        /// No answer.
        Failed => "failed",
    }
);

label_set!(
    /// How a fill ended.
    FillOutcome {
        /// The object is stored.
        Stored => "stored",
        /// Streamed to its readers and not stored.
        Streamed => "streamed",
        /// The origin confirmed the object that was stored.
        Revalidated => "revalidated",
        /// The origin answered with what must not be stored.
        Uncacheable => "uncacheable",
        /// No response could be had.
        Failed => "failed",
        /// The body broke off, and its rest could not be had.
        Broken => "broken",
        /// Nobody was left to read it.
        Abandoned => "abandoned",
    }
);

label_set!(
    /// What came of asking for the rest of a body that broke off.
    ResumeOutcome {
        /// The body went on.
        Resumed => "resumed",
        /// The origin has another version, or no parts of it.
        Denied => "denied",
        /// No answer, an error, or the pool's budget was spent.
        Failed => "failed",
    }
);

label_set!(
    /// Why an object left the cache.
    EvictionCause {
        /// Room was needed.
        Capacity => "capacity",
        /// A newer one took its place.
        Replaced => "replaced",
        /// It was too old to be of use.
        Expired => "expired",
        /// It was invalidated.
        Invalidated => "invalidated",
    }
);

label_set!(
    /// What came of a request to an origin.
    OriginOutcome {
        /// 1xx, as a final answer: 101.
        Informational => "1xx",
        /// 2xx.
        Success => "2xx",
        /// 3xx.
        Redirection => "3xx",
        /// 4xx.
        ClientError => "4xx",
        /// 5xx.
        ServerError => "5xx",
        /// No complete response head came.
        Failed => "failed",
    }
);

impl From<StatusCode> for OriginOutcome {
    fn from(status: StatusCode) -> Self {
        match StatusClass::from(status) {
            StatusClass::Informational => Self::Informational,
            StatusClass::Success => Self::Success,
            StatusClass::Redirection => Self::Redirection,
            StatusClass::ClientError => Self::ClientError,
            StatusClass::ServerError => Self::ServerError,
        }
    }
}

label_set!(
    /// Why a request went to the next origin, or to the same one again.
    RetryReason {
        /// No connection, or no address.
        Connect => "connect",
        /// The exchange broke off before a response.
        Broken => "broken",
        /// A time-out after the connection.
        Timeout => "timeout",
        /// The origin answered with a status that the pool counts as failure.
        Status => "status",
        /// A connection that had been idle was closed just as it was used.
        Race => "race",
        /// The rest of a body that broke off was asked for.
        Resume => "resume",
    }
);

label_set!(
    /// How a probe of an origin ended.
    ProbeOutcome {
        /// As it should.
        Passed => "passed",
        /// Nobody listens there.
        Refused => "refused",
        /// The origin's name has no address.
        Unresolved => "unresolved",
        /// No connection for another reason.
        Unreachable => "unreachable",
        /// No TLS: the handshake failed, or the certificate is not trusted.
        Tls => "tls",
        /// It took too long.
        TimedOut => "timed_out",
        /// No answer that could be understood.
        Broken => "broken",
        /// Another status than expected.
        WrongStatus => "wrong_status",
        /// Another body than expected.
        WrongBody => "wrong_body",
    }
);

label_set!(
    /// Why an origin was not asked.
    Rejection {
        /// Its circuit is open, or its one trial under way.
        Circuit => "circuit",
        /// As many requests are under way as it may get.
        Requests => "requests",
        /// As many fills are.
        Fills => "fills",
        /// It was asked as often as it may be.
        Rate => "rate",
        /// Too many wait already.
        PendingFull => "pending_full",
        /// The turn did not come in time.
        PendingTimeout => "pending_timeout",
    }
);

label_set!(
    /// What came of a second request to another origin while the first one still waited.
    HedgeOutcome {
        /// It answered first.
        Won => "won",
        /// The first request answered first.
        Lost => "lost",
        /// It failed.
        Failed => "failed",
        /// It was not sent: the budget was spent.
        OverBudget => "over_budget",
    }
);

label_set!(
    /// What became of compressing a stored body.
    CompressionOutcome {
        /// It is kept compressed.
        Coded => "coded",
        /// It did not get shorter.
        Useless => "useless",
        /// Too many waited, or there was no memory for it.
        Refused => "refused",
    }
);

label_set!(
    /// What became of a copy of a request for another pool.
    MirrorOutcome {
        /// It was answered, and the answer thrown away.
        Answered => "answered",
        /// No whole answer came in time.
        Failed => "failed",
        /// Too many were on their way, so it was not sent.
        Dropped => "dropped",
    }
);

label_set!(
    /// What became of a fetch ahead of players.
    PrefetchOutcome {
        /// It was begun.
        Started => "started",
        /// A player came for it.
        Used => "used",
        /// Nobody came for it in time.
        Wasted => "wasted",
        /// It was not begun: the site's rate or the node's fills are taken.
        Limited => "limited",
        /// A request was not looked at, for there were too many.
        Dropped => "dropped",
    }
);

label_set!(
    /// What became of a configuration that was read.
    ReloadOutcome {
        /// It is in force.
        Applied => "applied",
        /// The one before stays.
        Rejected => "rejected",
    }
);
