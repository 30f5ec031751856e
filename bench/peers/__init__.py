"""Who is measured: a module each, with `ways(workload)`; none imports its package until it must."""
