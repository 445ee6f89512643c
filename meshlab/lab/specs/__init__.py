"""The tables of a scenario, a module for each subject: settings that are declared and checked."""
