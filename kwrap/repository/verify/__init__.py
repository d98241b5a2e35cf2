"""Looking for what is missing, wrong or too much in a repository, and mending it from what lies on this machine.

    problems   what is found
    names      which names are names of what
    log        what the log has told of records, to compare them with
    records    every record, and the trees that they name
    content    trees, packs and blobs: whether they are there, and whether they are what their names say
    segments   output and metrics
    check      all of it, in an order that writers beside it do not disturb
    repair     bytes from local copies, records from the log

Memory: some 400 bytes for each object of content and each record, so 2.5 GB for 100 TB in pieces of 16 MiB.
"""
