"""Where a coordinate lies: country and regions, climate, elevation, population, weather, side of the road."""
