from jaxrecon.linops.nonuniform_fourier.operator import NonuniformFourier

__all__ = ["NonuniformFourier"]
