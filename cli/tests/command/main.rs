//! The program as it is called: arguments, exit codes, output, and the development fleet as processes.

mod calling;
mod configuration;
mod fleet;
mod fleet_end;
mod fleet_origins;
mod fleet_places;
mod fleet_ports;
mod fleet_ready;
mod help;
mod house;
mod origin;
mod warm;
