"""What turns a result into something to look at. Importing it teaches `Result` to show itself."""

from meshlab.display import result as result
