"""drive: folders of files that can be uploaded, downloaded, renamed, moved, put into an archive, and binned."""
