//! One call in a dialect: where it comes from, and who makes it.

use std::net::IpAddr;

use actix_web::{HttpRequest, ResponseError};
use countermark_core::Dialect;
use countermark_domain::{Caller, DomainError, Service};

use super::dialect_error::{DialectError, Fault};
use super::dialect_of;
use crate::client_address::client_address;
use crate::native::error::problem;
use crate::request_id::RequestId;
use crate::state::AppState;
use crate::throttle::Entrance;

/// One call, for the use-cases and the audit log.
pub struct Call<'a> {
    /// What the handlers share.
    pub state: &'a AppState,
    /// Where it comes from.
    pub address: Option<IpAddr>,
    request_id: Option<String>,
    entrance: Entrance,
}

impl<'a> Call<'a> {
    /// The call that this request makes.
    pub fn of(request: &HttpRequest, state: &'a AppState) -> Self {
        Self {
            state,
            address: client_address(request, &state.trusted_proxies),
            request_id: RequestId::of(request).map(|id| id.as_str().to_owned()),
            entrance: Entrance::Api(dialect_of(request.path())),
        }
    }

    /// The use-cases.
    pub fn service(&self) -> &'a Service {
        &self.state.service
    }

    /// Names this call in the log and in the audit log.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The key behind `value`: one of the dialect with `permission`, or a native administrator.
    ///
    /// # Errors
    /// [`Fault::Domain`] with `Unauthenticated` or `PermissionRequired`, [`Fault::Problem`] with 429 after too many
    /// failures of this address.
    pub async fn authenticate(
        &self,
        dialect: Dialect,
        value: &str,
        permission: &'static str,
    ) -> Result<Caller, Fault> {
        self.brake(value)?;
        let found = self.service().authenticate_in(dialect, value, permission, self.address).await;
        self.proven(found)
    }

    /// Lets a value be looked up unless it may be a guess of an address that is over its allowance.
    ///
    /// # Errors
    /// [`Fault::Problem`] with 429.
    pub fn brake(&self, value: &str) -> Result<(), Fault> {
        Ok(self.state.throttle.admit(self.entrance, self.address, value)?)
    }

    /// Puts the request id into the caller's audit entries, and counts a failure against the address.
    ///
    /// # Errors
    /// As [`Call::authenticate`].
    pub fn proven(&self, found: Result<Caller, DomainError>) -> Result<Caller, Fault> {
        let mut caller = found.map_err(|error| self.failed(error))?;
        caller.request_id.clone_from(&self.request_id);
        Ok(caller)
    }

    /// Logs what went wrong inside, where it is only a part of the answer: whole answers are logged as they leave.
    pub fn log_fault(&self, worded: &DialectError) {
        if worded.is_failure() {
            let (status, cause) = (worded.status_code().as_u16(), worded.cause().unwrap_or_default());
            tracing::error!(
                request_id = self.request_id().unwrap_or_default(),
                status,
                cause,
                "a part failed"
            );
        }
    }

    /// The failure itself; 429 if it is one of authentication and this address has had too many of them.
    pub fn failed(&self, error: DomainError) -> Fault {
        let DomainError::Unauthenticated(reason) = error else { return Fault::Domain(error) };
        let told = self.state.throttle.failed(
            self.entrance,
            self.address,
            problem(DomainError::Unauthenticated(reason)),
        );
        if told.code().status == 429 {
            Fault::Problem(told)
        } else {
            Fault::Domain(DomainError::Unauthenticated(reason))
        }
    }
}
