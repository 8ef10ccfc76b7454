//! One HTTP request, by hyper. Nothing in here knows of Python but the errors.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use ioxide::net::TcpStream;
use pyo3::PyErr;
use pyo3::exceptions::{PyTimeoutError, PyValueError};

/// Fetches the body of `url`.
///
/// # Errors
/// `ValueError`, `OSError` or `TimeoutError`.
pub async fn fetch(url: &str, timeout: Duration) -> Result<Bytes, PyErr> {
    let url: Uri = url.parse().map_err(|error| PyValueError::new_err(format!("{url:?}: {error}")))?;
    let (Some("http"), Some(host)) = (url.scheme_str(), url.host()) else {
        return Err(PyValueError::new_err(format!("{url}: not an http URL")));
    };
    let port = url.port_u16().unwrap_or(80);
    match ioxide::timeout(timeout, get(&url, host, port)).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(PyTimeoutError::new_err(format!("{url}: no answer within {timeout:?}"))),
    }
}

async fn get(url: &Uri, host: &str, port: u16) -> io::Result<Bytes> {
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let (mut requests, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
    // It moves the bytes, and ends when `requests` is dropped.
    let connection = ioxide::spawn(connection);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(header::HOST, format!("{host}:{port}")).body(Empty::<Bytes>::new());
    let answer = requests.send_request(request.map_err(io::Error::other)?).await.map_err(io::Error::other)?;
    if !answer.status().is_success() {
        return Err(io::Error::other(format!("{url}: {}", answer.status())));
    }
    let body = answer.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    drop(connection);
    Ok(body)
}
