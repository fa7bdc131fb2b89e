"""Reports: documents as blocks, pictures and curves, results with the paper's beside ours."""
