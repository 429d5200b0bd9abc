"""What people make of a field: pictures, turntables, point clouds, meshes, pages."""
