//! What the node tells about itself: metrics, the access log, the process log, and the ids that tie them together.
//!
//! It records what others did and decides nothing. Nothing in here makes a request wait.

mod access_log;
mod metrics;
mod process_log;
mod request_id;
mod timestamp;
mod trace_context;

pub use access_log::{AccessLog, AccessRecord, AttemptWord, BoundedText};
pub use metrics::{
    AccessLogCounters, CacheMetrics, CacheOutcome, CacheUsage, CompressionOutcome, DEVICE_AWAY, DiskEvictionCause,
    DiskMetrics, DiskUsage, EvictionCause, FillInFlight, FillMetrics, FillOutcome, GeoDatabaseFigures, GeoFigures,
    GeoMetrics, HedgeOutcome, KillSwitchMetrics, LookupOutcome, Metrics, MirrorOutcome, MissReason, OriginMetrics,
    OriginOutcome, PoolMetrics, PrefetchOutcome, ProbeOutcome, PurgeMetrics, Rejection, ReloadOutcome, RequestFigures,
    ResolverMetrics, ResumeOutcome, RetryReason, SiteMetrics, StatusClass, WaiterGuard,
};
pub use process_log::init as init_process_log;
pub use request_id::{RequestId, RequestIdSource};
pub use timestamp::Timestamp;
pub use trace_context::{TraceContext, TraceParent};
