"""From geotagged photographs to geocells, a trained model, a gallery and honest numbers."""
