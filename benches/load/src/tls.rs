//! TLS as the benchmarks need it: a client that accepts any certificate, and a server that reads its own from files.

use std::fs::read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};

/// The client's side. Any certificate will do: what is measured is the transport of bytes, on loopback.
///
/// # Errors
/// What rustls gives.
pub fn client() -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let anyone = Arc::new(Anyone(provider.signature_verification_algorithms));
    Ok(Arc::new(
        builder(provider, ClientConfig::builder_with_provider)?
            .dangerous()
            .with_custom_certificate_verifier(anyone)
            .with_no_client_auth(),
    ))
}

/// The server's side, with its certificate and key in PEM files.
///
/// # Errors
/// If the files can't be read, or the two don't belong together.
pub fn server(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let blob = read(certificate).with_context(|| format!("cannot read {}", certificate.display()))?;
    let chain = CertificateDer::pem_slice_iter(&blob).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("cannot read {}", key.display()))?;
    let provider = Arc::new(ring::default_provider());
    let builder = builder(provider, ServerConfig::builder_with_provider)?;
    Ok(Arc::new(builder.with_no_client_auth().with_single_cert(chain, key)?))
}

/// The name by which the client asks for the server.
///
/// # Panics
/// Never: the name is a valid one.
#[must_use]
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("localhost is a valid name")
}

fn builder<S: rustls::ConfigSide>(
    provider: Arc<CryptoProvider>,
    begin: fn(Arc<CryptoProvider>) -> rustls::ConfigBuilder<S, rustls::WantsVersions>,
) -> Result<rustls::ConfigBuilder<S, rustls::WantsVerifier>> {
    Ok(begin(provider).with_safe_default_protocol_versions()?)
}

#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
