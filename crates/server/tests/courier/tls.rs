//! TLS with certificates made by `openssl`: an authority's, a stranger's, and a machine that trusts nobody.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::{fs, thread};

use countermark_domain::deliver::{Courier, Delivery};
use countermark_server::courier::HttpCourier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::names::Changing;
use crate::process::{inside, rerun};
use crate::receiver::{Receiver, read_request};
use crate::{LONG, answered, failed, parcel, settings};

/// Tells the second process where the certificates are.
const FOLDER: &str = "COUNTERMARK_TEST_CERTIFICATES";

#[test]
fn a_certificate_is_good_for_its_own_name_if_its_authority_is_trusted() {
    if !inside() {
        let folder = certificates();
        let (authority, folder) = (folder.path().join("authority.pem"), folder.path());
        let environment =
            [("SSL_CERT_FILE", authority.to_str().unwrap()), (FOLDER, folder.to_str().unwrap())];
        let test = "tls::a_certificate_is_good_for_its_own_name_if_its_authority_is_trusted";
        return rerun(test, &[], &environment);
    }
    let folder = std::env::var(FOLDER).unwrap();
    let folder = Path::new(&folder);
    let trusted = receiver(folder, "trusted");
    assert_eq!(deliver("https://hooks.example", trusted), answered(204));
    assert_eq!(deliver("https://other.example", trusted), failed("tls failed"));
    assert_eq!(deliver("https://127.0.0.1", trusted), failed("tls failed"));
    let stranger = receiver(folder, "stranger");
    assert_eq!(deliver("https://hooks.example", stranger), failed("tls failed"));
}

#[test]
fn a_certificate_that_vouches_for_itself_is_refused() {
    let folder = certificates();
    let stranger = receiver(folder.path(), "stranger");
    assert_eq!(deliver("https://hooks.example", stranger), failed("tls failed"));
}

#[test]
fn a_machine_without_authorities_still_delivers_without_tls() {
    if !inside() {
        let environment = [("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/dev/null")];
        return rerun("tls::a_machine_without_authorities_still_delivers_without_tls", &[], &environment);
    }
    let plain = Receiver::answering("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(deliver("http://hooks.example", plain.address.port()), answered(204));
    let folder = certificates();
    let trusted = receiver(folder.path(), "trusted");
    assert_eq!(deliver("https://hooks.example", trusted), failed("tls failed"));
}

#[test]
fn a_receiver_that_speaks_no_tls_fails_by_tls() {
    let plain = Receiver::answering("HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(deliver("https://hooks.example", plain.address.port()), failed("tls failed"));
}

/// One attempt at this port of the loopback address, whatever the name.
fn deliver(origin: &str, port: u16) -> Delivery {
    let courier =
        HttpCourier::with_lookup(&settings(&["127.0.0.0/8"], LONG), Changing::new(&[&["127.0.0.1"]]))
            .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(courier.deliver(&parcel(&format!("{origin}:{port}/"))))
}

/// The port of a receiver over TLS that answers 204.
pub fn receiver(folder: &Path, name: &str) -> u16 {
    let chain = CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![chain], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            read_request(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        }
    });
    port
}

/// Makes `authority`, `trusted` (signed by it, for hooks.example) and `stranger` (for the same name, signed by itself).
pub fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    // The machine's own settings would add extensions.
    fs::write(folder.path().join("settings"), "[req]\ndistinguished_name=name\n[name]\n").unwrap();
    let authority = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
    let receiver = ["basicConstraints=critical,CA:FALSE", "subjectAltName=DNS:hooks.example"];
    certificate(folder.path(), "authority", &authority, &[]);
    certificate(folder.path(), "trusted", &receiver, &["-CA", "authority.pem", "-CAkey", "authority.key"]);
    certificate(folder.path(), "stranger", &receiver, &[]);
    folder
}

fn certificate(folder: &Path, name: &str, extensions: &[&str], signer: &[&str]) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(["req", "-x509", "-config", "settings", "-days", "2", "-nodes"]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", &format!("/CN={name}")]);
    command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]).args(signer);
    for extension in extensions {
        command.args(["-addext", extension]);
    }
    let output = command.output().expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
