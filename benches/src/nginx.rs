//! A real nginx whose locations differ in one thing: whom they ask before they answer.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::subject::Subject;

/// A running nginx; it ends with this value.
pub struct Nginx {
    child: Child,
    _folder: TempDir,
    /// `/open/` asks nobody, `/bare/` a handler that says 204, `/asked/` the gate, `/secure/` nginx's own secure_link.
    pub address: SocketAddr,
}

/// Key of the secure_link location.
pub const SECURE_LINK_SECRET: &str = "benchmark";

impl Nginx {
    /// Starts one in front of the subject.
    pub fn start(subject: &Subject) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("a bound socket has an address");
        drop(free);
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration(subject, address)).expect("the folder is writable");
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-e", "error.log", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is installed (Debian package nginx-light)");
        let nginx = Self { child, _folder: folder, address };
        let up = (0..200).any(|_| {
            let up = TcpStream::connect(address).is_ok();
            if !up {
                sleep(Duration::from_millis(20));
            }
            up
        });
        assert!(up, "nginx listens");
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM takes the workers along; a killed master would leave them.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// One worker: the other core is for the service. Every location answers the same empty image.
fn configuration(subject: &Subject, address: SocketAddr) -> String {
    let host = |url: &str| url.trim_start_matches("http://").to_owned();
    let asking = |name: &str, target: &str| {
        format!(
            "location /{name}/ {{ auth_request /ask-{name}; rewrite ^/{name}(/.*)$ $1 break; empty_gif; }}
             location = /ask-{name} {{
                internal;
                proxy_pass {target};
                proxy_http_version 1.1;
                proxy_pass_request_body off;
                proxy_set_header Connection '';
                proxy_set_header Content-Length '';
                proxy_set_header X-Original-URI $signed_target;
                proxy_set_header X-Original-Method $request_method;
                proxy_set_header X-Original-Host img.example.com;
                proxy_set_header X-Real-IP $remote_addr;
             }}\n"
        )
    };
    format!(
        "daemon off; worker_processes 1; pid nginx.pid;
         events {{ worker_connections 4096; }}
         http {{
            access_log off; keepalive_requests 1000000;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
            upstream service {{ server {service}; keepalive 256; keepalive_requests 1000000; }}
            upstream bare {{ server {bare}; keepalive 256; keepalive_requests 1000000; }}
            map $request_uri $signed_target {{ ~^/[a-z]+(?<rest>/.*)$ $rest; }}
            server {{
                listen {address};
                location /open/ {{ empty_gif; }}
                {asked}{plain}
                location /secure/ {{
                    secure_link $arg_md5,$arg_expires;
                    secure_link_md5 '$secure_link_expires$uri {SECURE_LINK_SECRET}';
                    if ($secure_link = '') {{ return 403; }}
                    empty_gif;
                }}
            }}
         }}",
        service = host(&subject.service),
        bare = host(&subject.bare),
        asked = asking("asked", "http://service/v1/forward-auth/nginx"),
        plain = asking("plain", "http://bare/bare"),
    )
}
