//! Passwords of viewers: HTTP Basic users of one imageUrl token.
//!
//! argon2id is meant to be slow, so hashes run in a small pool with a bounded queue, and a proven password is remembered
//! by a keyed digest until the token's revision changes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use countermark_core::{Terms, ViewerPassword};
use hmac::{Hmac, KeyInit, Mac};
use quick_cache::sync;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::error::DomainError;
use crate::rng::Rng;

/// Passwords that are verified at once; each hash takes 19 MiB and tens of milliseconds of one core.
const VERIFYING: usize = 2;
/// New passwords that are hashed at once: in a line of their own, so that whoever manages tokens cannot shut viewers out.
const HASHING: usize = 1;
/// Hashes that wait in each line; beyond that the service says that it is busy.
const WAITING: usize = 64;
/// Proven passwords that are remembered.
const REMEMBERED: usize = 10_000;

/// Proves and hashes viewer passwords.
pub(crate) struct Viewers {
    verifying: Line,
    hashing: Line,
    proven: sync::Cache<[u8; 32], ()>,
    remembering_key: Zeroizing<[u8; 32]>,
    /// Verified in place of an unknown user's, so that it costs the same.
    nobody: ViewerPassword,
}

impl Viewers {
    pub(crate) fn new(rng: &dyn Rng) -> Self {
        let mut remembering_key = Zeroizing::new([0; 32]);
        rng.fill(&mut *remembering_key);
        let mut password = [0; 32];
        rng.fill(&mut password);
        let nobody = hash(&password, rng, &mut Memory::new());
        Self {
            verifying: Line::new(VERIFYING),
            hashing: Line::new(HASHING),
            proven: sync::Cache::new(REMEMBERED),
            remembering_key,
            nobody,
        }
    }

    /// Whether `password` is that of `user` under `terms`.
    ///
    /// # Errors
    /// [`DomainError::Overloaded`] when too many hashes wait already.
    pub(crate) async fn is_proven(
        &self,
        terms: &Terms,
        user: &str,
        password: &str,
    ) -> Result<bool, DomainError> {
        let countermark_core::Purpose::ImageUrl(image) = &terms.purpose else { return Ok(false) };
        let remembered = self.remembering_digest(terms, user, password);
        if self.proven.get(&remembered).is_some() {
            return Ok(true);
        }
        let known = image.viewers.get(user);
        let kept = known.unwrap_or(&self.nobody).clone();
        let (argon2id, fits_legacy) = match kept {
            ViewerPassword::Argon2id(_) => (kept, None),
            // The slow hash runs for these users too, or their names could be told from unknown ones by the time taken.
            ViewerPassword::Msha1(hex) => (self.nobody.clone(), Some(is_msha1(password, &hex))),
        };
        let password = Zeroizing::new(password.to_owned());
        let fits_argon2 = self.verifying.run(move |memory| is_argon2id(&password, &argon2id, memory)).await?;
        let fits = known.is_some() && fits_legacy.unwrap_or(fits_argon2);
        if fits {
            self.proven.insert(remembered, ());
        }
        Ok(fits)
    }

    /// Hashes a new password for keeping.
    ///
    /// # Errors
    /// [`DomainError::Overloaded`] when too many hashes wait already.
    pub(crate) async fn hash(
        &self,
        password: &str,
        rng: Arc<dyn Rng>,
    ) -> Result<ViewerPassword, DomainError> {
        let password = Zeroizing::new(password.to_owned());
        self.hashing.run(move |memory| hash(password.as_bytes(), &*rng, memory)).await
    }

    fn remembering_digest(&self, terms: &Terms, user: &str, password: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.remembering_key).expect("HMAC takes a key of any length");
        mac.update(terms.id.to_string().as_bytes());
        mac.update(&terms.revision.to_be_bytes());
        mac.update(&(user.len() as u64).to_be_bytes());
        mac.update(user.as_bytes());
        mac.update(password.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// So many threads for slow work, and a bounded line before them.
///
/// Threads of their own, each with the memory for its hashes: 19 MiB a hash, taken and freed on the runtime's many threads,
/// came to hundreds of MiB that the allocator kept.
struct Line {
    waiting: mpsc::Sender<Job>,
    width: usize,
    present: AtomicUsize,
}

/// Works and answers, unless nobody waits for the answer any more.
type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// What argon2 fills; as long as its parameters ask for.
type Memory = Vec<Block>;

impl Line {
    fn new(width: usize) -> Self {
        let (waiting, line) = mpsc::channel::<Job>();
        let line = Arc::new(Mutex::new(line));
        for _ in 0..width {
            let line = Arc::clone(&line);
            std::thread::Builder::new()
                .name("passwords".to_owned())
                .spawn(move || {
                    let mut memory = Memory::new();
                    loop {
                        let next = line.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        match next {
                            Ok(job) => job(&mut memory),
                            Err(mpsc::RecvError) => return,
                        }
                    }
                })
                .expect("the process may start a thread");
        }
        Self { waiting, width, present: AtomicUsize::new(0) }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, DomainError> {
        if self.present.fetch_add(1, Ordering::AcqRel) >= WAITING + self.width {
            self.present.fetch_sub(1, Ordering::AcqRel);
            return Err(DomainError::Overloaded);
        }
        let _leaves = Leaves(&self.present);
        let (answer, worked) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            if !answer.is_closed() {
                // Whoever left meanwhile does not want it.
                let _ = answer.send(work(memory));
            }
        });
        self.waiting.send(job).map_err(|_| DomainError::Overloaded)?;
        worked.await.map_err(|_| DomainError::Overloaded)
    }
}

struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// OWASP's second recommended setting for argon2id: 19 MiB, 2 passes, 1 lane.
fn usual() -> Params {
    Params::new(19 * 1024, 2, 1, None).expect("the parameters are within argon2's ranges")
}

fn argon2id(
    password: &[u8],
    salt: &[u8],
    params: Params,
    memory: &mut Memory,
) -> argon2::Result<[u8; HASH_BYTES]> {
    memory.resize(params.block_count(), Block::default());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = [0; HASH_BYTES];
    argon2.hash_password_into_with_memory(password, salt, &mut hash, &mut memory[..])?;
    Ok(hash)
}

const HASH_BYTES: usize = Params::DEFAULT_OUTPUT_LEN;

fn hash(password: &[u8], rng: &dyn Rng, memory: &mut Memory) -> ViewerPassword {
    let mut salt = [0; 16];
    rng.fill(&mut salt);
    let hash = argon2id(password, &salt, usual(), memory).expect("a 16-byte salt and any password hash");
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&usual()).expect("three numbers fit"),
        salt: Some(Salt::new(&salt).expect("16 bytes are a salt")),
        hash: Some(Output::new(&hash).expect("32 bytes are a hash")),
    };
    ViewerPassword::Argon2id(phc.to_string().into())
}

fn is_argon2id(password: &str, kept: &ViewerPassword, memory: &mut Memory) -> bool {
    let ViewerPassword::Argon2id(phc) = kept else { return false };
    let Ok(kept) = PasswordHash::new(phc) else { return false };
    let (Ok(params), Some(salt), Some(expected)) = (Params::try_from(&kept), &kept.salt, &kept.hash) else {
        return false;
    };
    argon2id(password.as_bytes(), salt.as_ref(), params, memory)
        .is_ok_and(|hash| hash.ct_eq(expected.as_bytes()).into())
}

/// Shardimage's legacy form: hex sha1(raw20(sha1 password) ‖ hex40(sha1 password)), unsalted.
fn is_msha1(password: &str, kept_hex: &str) -> bool {
    let inner = Sha1::digest(password.as_bytes());
    let outer = Sha1::new().chain_update(inner).chain_update(hex(&inner)).finalize();
    hex(&outer).as_bytes().ct_eq(kept_hex.to_ascii_lowercase().as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;
    use crate::testing::image_url;

    #[test]
    fn the_published_msha1_vector_fits_its_password_only() {
        // `password`, from the Shardimage documentation.
        let kept = "3b30eff44ca0646eb0e58e1da6e8bd62e12af7e7";
        assert!(is_msha1("password", kept));
        assert!(!is_msha1("Password", kept) && !is_msha1("password", ""));
    }

    #[test]
    fn a_hash_of_the_reference_implementation_fits_its_password_only() {
        // From the tests of phc-winner-argon2, with other parameters than ours.
        let phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let kept = ViewerPassword::Argon2id(phc.into());
        let mut memory = Memory::new();
        assert!(is_argon2id("password", &kept, &mut memory));
        assert!(!is_argon2id("Password", &kept, &mut memory));
    }

    #[tokio::test]
    async fn a_password_is_proven_for_its_user_only() {
        let rng = SeededRng::new(1);
        let viewers = Viewers::new(&rng);
        let mut token = image_url();
        let kept = viewers.hash("open sesame", Arc::new(SeededRng::new(2))).await.unwrap();
        let countermark_core::Purpose::ImageUrl(image) = &mut token.terms.purpose else {
            panic!("an imageUrl token")
        };
        image.viewers.insert("alice".into(), kept);
        image
            .viewers
            .insert("bob".into(), ViewerPassword::Msha1("3b30eff44ca0646eb0e58e1da6e8bd62e12af7e7".into()));
        let proven = async |user, password| viewers.is_proven(&token.terms, user, password).await.unwrap();
        assert!(proven("alice", "open sesame").await && proven("alice", "open sesame").await);
        assert!(proven("bob", "password").await);
        assert!(!proven("alice", "password").await && !proven("bob", "open sesame").await);
        assert!(!proven("carol", "open sesame").await);
    }

    #[tokio::test]
    async fn a_line_is_as_wide_as_it_says_and_bounded_and_skips_those_who_left() {
        let line = Arc::new(Line::new(1));
        let (open, closed) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let line = Arc::clone(&line);
            async move { line.run(move |_| closed.recv()).await.is_ok() }
        });
        while line.present.load(Ordering::Acquire) < 1 {
            tokio::task::yield_now().await;
        }
        let worked = Arc::new(AtomicUsize::new(0));
        let mut waiting = Vec::new();
        for _ in 0..WAITING {
            let (line, worked) = (Arc::clone(&line), Arc::clone(&worked));
            waiting.push(tokio::spawn(async move {
                line.run(move |_| worked.fetch_add(1, Ordering::AcqRel)).await.is_ok()
            }));
        }
        while line.present.load(Ordering::Acquire) < WAITING + 1 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(line.run(|_| ()).await, Err(DomainError::Overloaded)));
        waiting.pop().unwrap().abort();
        while line.present.load(Ordering::Acquire) > WAITING {
            tokio::task::yield_now().await;
        }
        open.send(()).unwrap();
        assert!(first.await.unwrap());
        for one in waiting {
            assert!(one.await.unwrap());
        }
        assert!(line.run(|_| ()).await.is_ok());
        assert_eq!(worked.load(Ordering::Acquire), WAITING - 1);
    }

    #[tokio::test]
    async fn a_remembered_password_is_forgotten_with_the_revision() {
        let viewers = Viewers::new(&SeededRng::new(1));
        let mut token = image_url();
        let remembered = viewers.remembering_digest(&token.terms, "alice", "x");
        token.terms.revision += 1;
        assert_ne!(remembered, viewers.remembering_digest(&token.terms, "alice", "x"));
    }
}
