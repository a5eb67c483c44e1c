//! Work for a request outside of the task that answers it, such as the body of a stream: it is charged to the request's key, and
//! what is logged and traced of it belongs to the request.

use opentelemetry::trace::FutureExt;
use tracing::Instrument;

use crate::{keys, request_id};

/// The same work, on behalf of the request that this task answers now.
pub(crate) fn on_behalf<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let work = work.with_current_context().in_current_span();
    keys::within(
        keys::current(),
        request_id::within(request_id::current(), work),
    )
}
