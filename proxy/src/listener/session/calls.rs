//! What Pingora calls on a session: each delegates to [`StreamSession`] and its parts.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use http::HeaderMap;
use pingora_core::protocols::Digest;
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::custom::CustomMessageWrite;
use pingora_core::protocols::http::custom::server::Session;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_error::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use super::response::Response;
use super::{Abandoned, Carrier, StreamSession};
use crate::listener::request_head::http1_head;

#[async_trait]
impl<C: Carrier> Session for StreamSession<C> {
    fn req_header(&self) -> &RequestHeader {
        &self.header
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.header
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        self.read_piece().await
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        self.drain().await
    }

    async fn write_response_header(&mut self, header: Box<ResponseHeader>, end: bool) -> Result<()> {
        self.queue(|response, carrier| response.queue_header(carrier, header, end))?;
        self.flush().await
    }

    async fn write_response_header_ref(&mut self, header: &ResponseHeader, end: bool) -> Result<()> {
        self.write_response_header(Box::new(header.clone()), end).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.queue(|response, carrier| response.queue_body(carrier, data, end))?;
        self.flush().await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.queue(|response, carrier| response.queue_trailers(carrier, trailers))?;
        self.flush().await
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        self.tasks.extend(tasks);
        self.write_proxy_tasks().await
    }

    fn proxy_tasks_enabled(&self) -> bool {
        self.proxy_tasks
    }

    fn set_proxy_tasks_enabled(&mut self, enabled: bool) {
        self.proxy_tasks = enabled;
    }

    fn send_proxy_task(&mut self, task: HttpTask) {
        self.tasks.push_back(task);
    }

    fn has_pending_proxy_tasks(&self) -> bool {
        !self.tasks.is_empty() || self.response.is_unsettled(&self.carrier)
    }

    async fn write_proxy_tasks(&mut self) -> Result<bool> {
        self.write_tasks().await
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.read_timeout
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write_timeout = timeout;
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.write_timeout
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.drain_timeout = timeout;
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.drain_timeout
    }

    fn request_summary(&self) -> String {
        self.summary()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.response.header()
    }

    async fn shutdown(&mut self, _code: u32, context: &str) {
        self.abandon(context).await;
    }

    async fn abandon(&mut self, _context: &str) {
        self.response.reset(&mut self.carrier, Abandoned::Broken);
        self.carrier.stop_body();
    }

    fn is_body_done(&mut self) -> bool {
        self.body.is_done()
    }

    async fn finish(&mut self) -> Result<()> {
        self.queue(Response::queue_end)?;
        self.flush().await
    }

    fn is_body_empty(&mut self) -> bool {
        self.body.is_empty()
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        if no_body_expected || self.body.is_done() {
            return Err(self.wait_until_gone().await);
        }
        self.read_unless_gone().await
    }

    fn body_bytes_sent(&self) -> usize {
        self.response.bytes_queued().saturating_sub(self.carrier.unsent_bytes())
    }

    fn body_bytes_read(&self) -> usize {
        self.body.bytes_read()
    }

    fn digest(&self) -> Option<&Digest> {
        Some(&self.digest)
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        Some(&mut self.digest)
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.digest.socket_digest.as_ref()?.peer_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.digest.socket_digest.as_ref()?.local_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        http1_head(&self.header)
    }

    fn enable_retry_buffering(&mut self) {
        self.body.enable_retry();
    }

    fn retry_buffer_truncated(&self) -> bool {
        self.body.retry_truncated()
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        self.body.retry_buffer()
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    /// There are none: with a writer, Pingora would also insist on a reader.
    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _writer: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}
