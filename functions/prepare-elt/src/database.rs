//! The database in the catalogue.

use aws_sdk_glue::Client;
use aws_sdk_glue::types::DatabaseInput;
use sluice::contract::athena_elt::Definition;
use sluice::{Error, Kind, Result};

/// Whether there is a database of this name.
pub(crate) async fn exists(glue: &Client, name: &str) -> Result<bool> {
    match glue.get_database().name(name).send().await {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(|service| service.is_entity_not_found_exception()) => {
            Ok(false)
        }
        Err(error) => Err(Error::aws(format!("look up the database {name}"), error)),
    }
}

/// Makes the database. Whoever loses a race for that has it too.
pub(crate) async fn create(glue: &Client, name: &str, owner: &str) -> Result<Definition> {
    let input = DatabaseInput::builder().name(name).parameters(lake::OWNER, owner).build();
    let input = input.map_err(|error| Error::caused(Kind::InvariantBroken, format!("describe {name}"), error))?;
    match glue.create_database().database_input(input).send().await {
        Ok(_) => Ok(Definition::Created),
        Err(error) if error.as_service_error().is_some_and(|service| service.is_already_exists_exception()) => {
            Ok(Definition::Exists)
        }
        Err(error) => Err(Error::aws(format!("create the database {name}"), error)),
    }
}
