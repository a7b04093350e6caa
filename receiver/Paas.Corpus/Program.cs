using Paas.Corpus;

return await CommandLine.RunAsync(args, Surroundings.OfThisProcess());
