//! An HTTP client: connections that are kept, time-outs, second tries.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_rustls::TlsConnector;
use futures_rustls::rustls::pki_types::ServerName;
use futures_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, header};
use ioxide::hyper::Io;
use ioxide::net::TcpStream;
use ioxide::{sleep, spawn, timeout};
use url::Url;

use super::page_error::PageError;
use super::robots::NAME;
use super::spelling::site_of;

type Requests = SendRequest<Empty<Bytes>>;

/// What is read of a body that nobody wants, for the sake of the connection.
const MOST_UNWANTED_BYTES: usize = 64 * 1024;

/// How long and how often to try.
#[derive(Clone, Debug)]
pub struct Patience {
    pub timeout: Duration,
    pub retries: u32,
    pub back_off: Duration,
}

/// Fetches, and keeps the connections that can be used again.
pub struct Client {
    patience: Patience,
    tls: OnceCell<TlsConnector>,
    /// By scheme, host and port.
    idle: RefCell<HashMap<String, Vec<Requests>>>,
}

impl Client {
    pub fn new(patience: Patience) -> Self {
        Self { patience, tls: OnceCell::new(), idle: RefCell::default() }
    }

    /// Makes an attempt, and others after a while if it fails in a way that may pass. Each has to end in time.
    pub async fn try_again<T>(&self, attempt: impl AsyncFn() -> Result<T, PageError>) -> Result<T, PageError> {
        let mut pause = self.patience.back_off;
        for _ in 0..self.patience.retries {
            match self.in_time(attempt()).await {
                Err(error) if error.may_pass => sleep(pause).await,
                result => return result,
            }
            pause = pause.saturating_mul(2);
        }
        self.in_time(attempt()).await
    }

    async fn in_time<T>(&self, attempt: impl Future<Output = Result<T, PageError>>) -> Result<T, PageError> {
        timeout(self.patience.timeout, attempt).await.unwrap_or_else(|_| Err(PageError::timed_out()))
    }

    /// Asks for a URL, on a connection that is there or on a new one.
    pub async fn get(&self, url: &Url) -> Result<Exchange<'_>, PageError> {
        let origin = url.origin().ascii_serialization();
        if let Some(requests) = self.take_ready(&origin).await
            && let Ok(exchange) = self.ask(requests, url, &origin).await
        {
            return Ok(exchange);
        }
        // A server may close a connection just as it is used again: that is no failure of the page's.
        let requests = self.connect(url).await?;
        self.ask(requests, url, &origin).await.map_err(|error| PageError::speaking(&error))
    }

    /// A connection that is there, and wasn't closed since it was used.
    async fn take_ready(&self, origin: &str) -> Option<Requests> {
        loop {
            let mut requests = self.idle.borrow_mut().get_mut(origin)?.pop()?;
            if requests.ready().await.is_ok() {
                return Some(requests);
            }
        }
    }

    async fn ask(&self, mut requests: Requests, url: &Url, origin: &str) -> hyper::Result<Exchange<'_>> {
        let response = requests.send_request(request(url)).await?;
        Ok(Exchange { client: self, origin: origin.to_owned(), requests, response })
    }

    async fn connect(&self, url: &Url) -> Result<Requests, PageError> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or_default();
        let stream = TcpStream::connect((host, port)).await.map_err(|error| PageError::connecting(&error))?;
        if url.scheme() != "https" {
            return handshake(stream).await;
        }
        let encrypted = async {
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            self.tls()?.connect(name, stream).await
        };
        handshake(Io::new(encrypted.await.map_err(|error| PageError::encrypting(&error))?)).await
    }

    /// Trusts whom the system trusts, which takes a while to read: only who fetches by https needs it.
    fn tls(&self) -> io::Result<&TlsConnector> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls);
        }
        let mut roots = RootCertStore::empty();
        // One that can't be read is one that isn't trusted.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(self.tls.get_or_init(|| TlsConnector::from(Arc::new(config))))
    }
}

async fn handshake<S>(stream: S) -> Result<Requests, PageError>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let (requests, connection) = http1::handshake(stream).await.map_err(|error| PageError::speaking(&error))?;
    // It moves the bytes; what goes wrong is told to who asks.
    drop(spawn(connection));
    Ok(requests)
}

fn request(url: &Url) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    // A URL in its one spelling is ASCII without spaces, which is all that is asked of these.
    *request.uri_mut() = target.parse().unwrap_or_default();
    let headers = request.headers_mut();
    if let Ok(host) = site_of(url).parse() {
        headers.insert(header::HOST, host);
    }
    headers.insert(header::USER_AGENT, header::HeaderValue::from_static(NAME));
    headers.insert(header::ACCEPT, header::HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.1"));
    request
}

/// A request that was answered, up to the body.
pub struct Exchange<'a> {
    client: &'a Client,
    origin: String,
    requests: Requests,
    response: Response<Incoming>,
}

impl Exchange<'_> {
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Reads the body, unless it has more than so many bytes.
    pub async fn body(mut self, most: usize) -> Result<Vec<u8>, PageError> {
        let too_large = || PageError::new("too large", format!("more than {most} bytes"));
        // The announced number is looked at first, but doesn't have to be there.
        if self.response.body().size_hint().lower() > most as u64 {
            return Err(too_large());
        }
        let body = self.read_body(most).await?;
        if !body.is_whole {
            return Err(too_large());
        }
        self.keep_connection();
        Ok(body.bytes)
    }

    /// Reads so many bytes of the body at most.
    pub async fn beginning_of_body(mut self, most: usize) -> Result<Vec<u8>, PageError> {
        let mut beginning = self.read_body(most).await?;
        if beginning.is_whole {
            self.keep_connection();
        }
        beginning.bytes.truncate(most);
        Ok(beginning.bytes)
    }

    /// Ends the exchange without a use for the body.
    pub async fn discard(self) {
        // What goes wrong here is the next one's.
        let _ = self.beginning_of_body(MOST_UNWANTED_BYTES).await;
    }

    async fn read_body(&mut self, most: usize) -> Result<BodySoFar, PageError> {
        let mut bytes = Vec::new();
        while let Some(frame) = self.response.body_mut().frame().await {
            if let Ok(data) = frame.map_err(|error| PageError::speaking(&error))?.into_data() {
                bytes.extend_from_slice(&data);
            }
            if bytes.len() > most {
                return Ok(BodySoFar { bytes, is_whole: false });
            }
        }
        Ok(BodySoFar { bytes, is_whole: true })
    }

    fn keep_connection(self) {
        self.client.idle.borrow_mut().entry(self.origin).or_default().push(self.requests);
    }
}

struct BodySoFar {
    bytes: Vec<u8>,
    is_whole: bool,
}
