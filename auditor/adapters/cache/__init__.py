"""What is kept between runs because it took long to compute, and never trusted blindly when read again."""
