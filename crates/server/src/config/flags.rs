//! The flags for the common keys, for every command that reads the configuration.

use std::path::PathBuf;

use clap::Args;

use super::{Config, ConfigError};

/// Flags that stand over the file and the environment.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigFlags {
    /// A TOML file with the configuration
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Directory of the database and the master key file
    #[arg(long, value_name = "DIRECTORY")]
    pub data: Option<String>,
    /// Another database; a password in it is visible to other users, so prefer `COUNTERMARK__DATA__DATABASE_URL_FILE`
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// The service's address as clients see it
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// error, warn, info, debug, trace, or a filter
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

impl ConfigFlags {
    /// Reads the file, the process's environment and these flags.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(&self) -> Result<Config, ConfigError> {
        // Variables that are not UTF-8 cannot be ours: our names and values are.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Config::load(self.config.as_deref(), environment, &self.given())
    }

    fn given(&self) -> Vec<(&str, &str)> {
        let flags = [
            ("server.listen", &self.listen),
            ("data.directory", &self.data),
            ("data.database_url", &self.database_url),
            ("server.public_url", &self.public_url),
            ("log.level", &self.log_level),
        ];
        flags.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_sets_a_key_that_exists() {
        let set = |text: &str| Some(text.to_owned());
        let flags = ConfigFlags {
            config: None,
            listen: set("127.0.0.1:9"),
            data: set("/d"),
            database_url: set("sqlite:x"),
            public_url: set("http://p"),
            log_level: set("debug"),
        };
        let config = Config::load(None, std::iter::empty(), &flags.given()).unwrap();
        assert_eq!(config.server.listen.port(), 9);
        assert_eq!(config.data.directory, PathBuf::from("/d"));
        assert_eq!(config.data.database_url.unwrap().expose(), "sqlite:x");
        assert_eq!(config.server.public_url.as_deref(), Some("http://p"));
        assert_eq!(config.log.level, "debug");
    }
}
