//! The longest texts of a question, in bytes. A question with a longer one is none: it is turned away before anything is
//! decided, by the service and by whoever decides without it.

/// HTTP method; none of the registered ones is half as long.
pub const METHOD: usize = 32;
/// Cloud id, as [`crate::is_cloud_id`] has it.
pub const CLOUD_ID: usize = 64;
/// Raw path of the request or of its destination: as long as a target.
pub const PATH: usize = 8192;
/// Name of a permission.
pub const PERMISSION: usize = 128;
/// Id of a storage.
pub const STORAGE: usize = 128;
/// Content type with its parameters.
pub const CONTENT_TYPE: usize = 255;
/// Name of an upload.
pub const PUBLIC_ID: usize = 1024;
/// Id of an upload. There is only one length, so this merely keeps an error short.
pub const UPLOAD_ID: usize = 64;
/// Client address in any spelling.
pub const ADDRESS: usize = 64;
/// Whole signed URL: the longest target, and an origin with the longest host and port.
pub const URL: usize = 8500;
/// Presented value, user name or password.
pub const VALUE: usize = 4096;
