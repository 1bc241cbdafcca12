"""One module for each thing that somebody does with the service. The ifs are here, the leaves are pure."""
